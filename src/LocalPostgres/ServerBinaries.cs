using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Gateway.LocalPostgres;

/// <summary>
/// Represents PostgreSQL's programs on this machine: <c>initdb</c> creates the data, <c>postgres</c> serves it.
/// </summary>
internal sealed partial record ServerBinaries(string Folder, int ServerVersion, string Way, ServerAccount Account)
    : IServerSource
{
    /// <summary>The oldest major version that the gateway supports.</summary>
    public const int Oldest = 14;

    /// <summary>
    /// Returns the programs in a folder, if both are there, run as the account, and are not too old; otherwise null.
    /// </summary>
    public static async Task<ServerBinaries?> InAsync(string folder, ServerAccount account, CancellationToken ct)
    {
        var postgres = Path.Combine(folder, "postgres");
        if (!File.Exists(postgres) || !File.Exists(Path.Combine(folder, "initdb")))
            return null;

        var run = await Command.RunAsync(account.Wrap(postgres, "--version"), TimeSpan.FromSeconds(10), ct);
        var version = MajorVersion().Match(run.Output);
        if (!run.Succeeded || !version.Success)
            return null;
        var major = int.Parse(version.Groups[1].Value, CultureInfo.InvariantCulture);
        return major < Oldest ? null : new ServerBinaries(folder, major, folder, account);
    }

    public async Task PrepareAsync(ServerFolder folder, bool durable, CancellationToken ct)
    {
        if (DockerServer.HoldsDataOf(folder))
        {
            throw new LocalPostgresException(
                $"The data of {folder.Path} is in Docker: start Docker and take PostgreSQL out of PATH, or delete the "
                + "folder to start anew.");
        }
        await DataDirectory.PrepareAsync(folder, this, durable, ct);
    }

    public async Task<ServerCommand> CommandAsync(
        ServerFolder folder, int port, IReadOnlyDictionary<string, string> settings, CancellationToken ct)
    {
        await File.WriteAllTextAsync(folder.Configuration, Configuration(port, settings), ct);
        // The account must be able to read it, whatever our umask is.
        File.SetUnixFileMode(folder.Configuration, UnixFileMode.UserRead | UnixFileMode.UserWrite
            | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        return new ServerCommand(
            [Path.Combine(Folder, "postgres"), "-D", folder.Data, "-c", "config_file=" + folder.Configuration]);
    }

    public bool SaysReady(ServerFolder folder)
    {
        try
        {
            // The eighth line is the server's state.
            var lines = File.ReadAllLines(Path.Combine(folder.Data, "postmaster.pid"));
            return lines.Length >= 8 && lines[7].Trim() == "ready";
        }
        catch (IOException)
        {
            return false;
        }
    }

    public void Accepted(ServerFolder folder)
    {
        // A data directory gets its name when it is complete.
    }

    public Task RemoveLeftoversAsync(ServerFolder folder, CancellationToken ct) =>
        StaleServer.StopAsync(folder.Data, ct);

    /// <summary>
    /// Returns the configuration file. The last of several equal settings applies, so the required ones come last.
    /// </summary>
    private static string Configuration(int port, IReadOnlyDictionary<string, string> settings)
    {
        var text = new StringBuilder("# Written anew at each start.\n");
        Set("max_connections", "100");
        Set("timezone", "UTC");
        Set("log_timezone", "UTC");
        foreach (var (name, value) in settings)
            Set(name, value);
        Set("password_encryption", "scram-sha-256");
        Set("listen_addresses", LocalPostgresServer.Loopback);
        Set("unix_socket_directories", "");
        Set("port", port.ToString(CultureInfo.InvariantCulture));
        return text.ToString();

        void Set(string name, string value)
        {
            var quoted = value
                .Replace("\\", "\\\\", StringComparison.Ordinal)
                .Replace("'", "''", StringComparison.Ordinal);
            text.Append(CultureInfo.InvariantCulture, $"{name} = '{quoted}'\n");
        }
    }

    [GeneratedRegex(@"\(PostgreSQL\) (\d+)")]
    private static partial Regex MajorVersion();
}
