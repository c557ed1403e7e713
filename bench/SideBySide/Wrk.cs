using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Gateway.SideBySide;

/// <summary>The load over HTTP. What it spends on processors is nobody's.</summary>
/// <param name="script">The one that renders requests.</param>
/// <param name="folder">For the requests.</param>
internal sealed class Wrk(string script, string folder)
{
    /// <summary>More than a request takes, however many there are before it.</summary>
    private const int TimeoutSeconds = 30;

    private int _files;

    public string Script => script;

    /// <summary>By it a stretch's IDs differ from all others', another run's too.</summary>
    private int _stretch = RandomNumberGenerator.GetInt32(1 << 27);

    /// <returns>The file that they are in.</returns>
    public string Write(IEnumerable<string> bodies)
    {
        var file = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"requests-{Environment.ProcessId}-{++_files}"));
        File.WriteAllLines(file, bodies);
        return file;
    }

    /// <exception cref="InvalidOperationException">There was a wrong answer, or none: then nothing is worth measuring.</exception>
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
