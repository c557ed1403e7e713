using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Gateway.SideBySide;

/// <summary>Runs wrk, the load over HTTP. Its CPU time counts for no contestant.</summary>
/// <param name="script">The script that renders the requests.</param>
/// <param name="folder">The folder for the requests' files.</param>
internal sealed class Wrk(string script, string folder)
{
    /// <summary>wrk's timeout: more than a request takes, even after a long wait in a queue.</summary>
    private const int TimeoutSeconds = 30;

    private int _files;

    public string Script => script;

    /// <summary>
    /// A number that makes the IDs of a stretch differ from all others, also from those of another run.
    /// </summary>
    private int _stretch = RandomNumberGenerator.GetInt32(1 << 27);

    /// <summary>Writes the requests' bodies to a file.</summary>
    /// <returns>The path of the file.</returns>
    public string Write(IEnumerable<string> bodies)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"requests-{Environment.ProcessId}-{++_files}");
        var file = Path.Combine(folder, name);
        File.WriteAllLines(file, bodies);
        return file;
    }

    /// <exception cref="InvalidOperationException">
    /// There was a wrong answer, or no answer. The measurement is useless then.
    /// </exception>
    public async Task<LoadResult> RunAsync(
        int port, string path, string requests, int clients, TimeSpan duration, CancellationToken ct)
    {
        var run = await ProgramRun.RunAsync(
            [
                "wrk", "--threads", "1", "--connections", Text(clients), "--duration", Text(duration.TotalSeconds),
                "--timeout", Text(TimeoutSeconds), "--script", script, $"http://127.0.0.1:{Text(port)}{path}",
                "--", requests, Text(++_stretch),
            ],
            duration, ct);
        var line = run.Output.Split('\n').FirstOrDefault(line => line.StartsWith('{'));
        var result = line is null ? null : JsonSerializer.Deserialize<LoadResult>(line, JsonSerializerOptions.Web);
        return result is { Errors: 0, Requests: > 0 }
            ? result
            : throw new InvalidOperationException($"Not all that wrk was answered is right: {run.Output}");

        static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
    }
}
