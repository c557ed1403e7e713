using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Gateway.Bench;

/// <summary>Runs wrk, the load over HTTP, in a process of its own. Its CPU time counts for no contestant.</summary>
/// <param name="script">The script that renders the requests.</param>
/// <param name="folder">The folder for the requests' files.</param>
internal sealed class Wrk(string script, string folder)
{
    /// <summary>The usual number of clients: the gateway's default number of sessions.</summary>
    public const int Clients = 16;

    /// <summary>wrk's timeout, longer than a request waits in a queue.</summary>
    private const int TimeoutSeconds = 30;

    private int _files;

    /// <summary>
    /// A number that makes the IDs of a run differ from all others, also from those of another process.
    /// </summary>
    private int _run = RandomNumberGenerator.GetInt32(1 << 27);

    public string Script => script;

    /// <summary>Writes requests to a file, in the form that the script reads.</summary>
    /// <returns>The path of the file.</returns>
    public string Write(IEnumerable<string> requests)
    {
        var file = Path.Combine(folder, string.Create(
            CultureInfo.InvariantCulture, $"requests-{Environment.ProcessId}-{++_files}"));
        File.WriteAllLines(file, requests);
        return file;
    }

    /// <summary>Sends the requests of a file, again and again.</summary>
    /// <exception cref="InvalidOperationException">An answer was wrong or missing, or there was none.</exception>
    public async Task<LoadResult> RunAsync(
        int port, string path, string requests, int clients, TimeSpan duration, CancellationToken ct)
    {
        var run = await ProgramRun.RunAsync(
            [
                "wrk", "--threads", "1", "--connections", Text(clients), "--duration", Text(duration.TotalSeconds),
                "--timeout", Text(TimeoutSeconds), "--script", script, $"http://127.0.0.1:{Text(port)}{path}",
                "--", requests, Text(++_run),
            ],
            duration, ct);
        var line = run.Output.Split('\n').FirstOrDefault(line => line.StartsWith('{'));
        var result = line is null ? null : JsonSerializer.Deserialize<LoadResult>(line, JsonSerializerOptions.Web);
        return result is { Errors: 0, Requests: > 0 }
            ? result
            : throw new InvalidOperationException($"{path}: wrk received wrong answers or none: {run.Output}");

        static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
    }
}
