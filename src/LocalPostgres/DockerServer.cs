using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.LocalPostgres;

/// <summary>
/// Runs a container of the official image, with its data in a volume, both named after the folder. Written from the
/// manuals of Docker and of the image; not tested on a real engine.
/// </summary>
internal sealed class DockerServer : IServerSource
{
    private const string Image = "postgres:17";

    private const string Whole = "whole";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly string _docker;
    private readonly Action<string> _say;

    private DockerServer(string docker, Action<string> say)
    {
        _docker = docker;
        _say = say;
    }

    public string Way => $"a container of the image {Image}";

    public int ServerVersion => 17;

    /// <summary>Gets our own account, which the docker command needs. The image drops root itself.</summary>
    public ServerAccount Account => ServerAccount.Ourselves;

    public static async Task<Found> FindAsync(string path, Action<string> say, CancellationToken ct)
    {
        if (Command.Find("docker", path) is not { } docker)
            return new Found(null, "docker is not installed");
        var version = await Command.RunAsync(
            [docker, "version", "--format", "{{.Server.Version}}"], TimeSpan.FromSeconds(5), ct);
        return version.Succeeded
            ? new Found(new DockerServer(docker, say))
            : new Found(null, "no Docker engine answers");
    }

    public async Task PrepareAsync(ServerFolder folder, bool durable, CancellationToken ct)
    {
        if (Directory.Exists(folder.Data))
        {
            throw new LocalPostgresException(
                $"The data in {folder.Path} was made by PostgreSQL's programs, which are gone, and Docker can't use "
                + "it: delete that folder to start anew, install PostgreSQL again, or set DSN.");
        }
        await RemoveLeftoversAsync(folder, ct);
        if (!HoldsDataOf(folder))
        {
            await RunAsync(["volume", "rm", "--force", NameFor(folder)], Limit, ct);
            await File.WriteAllTextAsync(folder.Docker, "begun", ct);
        }

        if (!(await Command.RunAsync([_docker, "image", "inspect", Image], Limit, ct)).Succeeded)
        {
            _say($"Fetching the image {Image} (once).");
            await RunAsync(["pull", "--quiet", Image], TimeSpan.FromMinutes(10), ct);
        }
    }

    public async Task<ServerCommand> CommandAsync(
        ServerFolder folder, int port, IReadOnlyDictionary<string, string> settings, CancellationToken ct) =>
        new([_docker, .. RunArguments(NameFor(folder), port, settings)], NameFor(folder))
        {
            // In the environment: anyone can list a process's arguments.
            Environment = new Dictionary<string, string>
            {
                ["POSTGRES_PASSWORD"] = await File.ReadAllTextAsync(folder.Password, ct),
            },
        };

    /// <summary>Returns whether the folder's data is in Docker, and complete.</summary>
    public static bool HoldsDataOf(ServerFolder folder) =>
        File.Exists(folder.Docker) && File.ReadAllText(folder.Docker) == Whole;

    public void Accepted(ServerFolder folder) => File.WriteAllText(folder.Docker, Whole);

    /// <summary>
    /// Returns true: while the image creates its data, its server accepts no TCP connections, so any answer means
    /// ready.
    /// </summary>
    public bool SaysReady(ServerFolder folder) => true;

    public Task RemoveLeftoversAsync(ServerFolder folder, CancellationToken ct) =>
        // Fails if there is none, which is the usual case.
        Command.RunAsync([_docker, "rm", "--force", NameFor(folder)], Limit, ct);

    /// <summary>Deletes what a folder's container left in Docker, if there was one.</summary>
    public static async Task DeleteDataAsync(ServerFolder folder, CancellationToken ct)
    {
        if (!File.Exists(folder.Docker))
            return;
        await Command.RunAsync(["docker", "rm", "--force", NameFor(folder)], Limit, ct);
        await Command.RunAsync(["docker", "volume", "rm", "--force", NameFor(folder)], Limit, ct);
    }

    internal static IReadOnlyList<string> RunArguments(
        string name, int port, IReadOnlyDictionary<string, string> settings) =>
    [
        "run", "--rm", "--name", name, "--volume", $"{name}:/var/lib/postgresql/data",
        "--publish", string.Create(CultureInfo.InvariantCulture, $"{LocalPostgresServer.Loopback}:{port}:5432"),
        "--env", "POSTGRES_PASSWORD", "--env", "POSTGRES_INITDB_ARGS=--no-locale -E UTF8", Image,
        .. settings.SelectMany(s => (string[])["-c", $"{s.Key}={s.Value}"]),
    ];

    private static string NameFor(ServerFolder folder) =>
        "gateway-postgres-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(folder.Path)))[..16];

    private async Task RunAsync(string[] arguments, TimeSpan limit, CancellationToken ct)
    {
        var run = await Command.RunAsync([_docker, .. arguments], limit, ct);
        if (!run.Succeeded)
            throw new LocalPostgresException($"docker {arguments[0]} failed ({run.LastLine}): mend it, or set DSN.");
    }
}
