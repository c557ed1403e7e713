using System.Diagnostics;
using System.Globalization;

namespace Gateway.SideBySide;

/// <summary>A program that has run to its end.</summary>
/// <param name="Output">What it wrote to standard output.</param>
/// <param name="OwnSeconds">What it has spent on processors; NaN where that can't be seen.</param>
/// <param name="PeakMemory">The most that it had of the machine's memory, in MiB; NaN where that can't be seen.</param>
internal sealed record ProgramRun(string Output, double OwnSeconds, double PeakMemory)
{
    private const string Ended = "ended with ";

    /// <summary>
    /// What a process has spent is seen as long as the one that has waited for it is there. Ctrl+C in a terminal is the
    /// benchmark's to hear.
    /// </summary>
    private const string Keeper = $"""trap '' INT; "$@" </dev/null; echo "{Ended}$?"; read -r _""";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(0.1);

    /// <param name="command">The program and its arguments.</param>
    /// <param name="duration">How long it takes about.</param>
    /// <param name="ct">Ends it.</param>
    /// <param name="environment">Over this process's own. Here go passwords: arguments are seen by all.</param>
    /// <exception cref="InvalidOperationException">It has failed.</exception>
    public static async Task<ProgramRun> RunAsync(
        IReadOnlyList<string> command, TimeSpan duration, CancellationToken ct, params IEnumerable<(string Name, string Value)> environment)
    {
        ct.ThrowIfCancellationRequested();
        var start = new ProcessStartInfo("sh", ["-c", Keeper, "sh", .. command])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var keeper = Process.Start(start)!;
        try
        {
            var reading = ReadToEndAsync(keeper.StandardOutput).WaitAsync(duration + Patience, ct);
            var peak = double.NaN;
            while (await Task.WhenAny(reading, Task.Delay(LookInterval, ct)) != reading)
                peak = PeakOf(keeper.Id) is var seen && double.IsNaN(seen) ? peak : seen;
            var (output, exitCode) = await reading;
            var spent = ProcessorTime.OfTree(keeper.Id);
            return exitCode == 0
                ? new ProgramRun(output, spent, peak)
                : throw new InvalidOperationException($"{command[0]} has failed with the exit code {exitCode}. {output}");
        }
        finally
        {
            // Ended or not: where it has, the shell only waits for this.
            keeper.Kill(entireProcessTree: true);
            await keeper.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static double PeakOf(int keeper) =>
        ProcessorTime.ChildOf(keeper) is { } program ? ResidentMemory.PeakOf(program) : double.NaN;

    private static async Task<(string Output, int ExitCode)> ReadToEndAsync(StreamReader output)
    {
        var lines = new List<string>();
        while (await output.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(Ended, StringComparison.Ordinal))
                return (string.Join('\n', lines), int.Parse(line[Ended.Length..], CultureInfo.InvariantCulture));
            lines.Add(line);
        }
        throw new InvalidOperationException("The shell that was to start a program has ended.");
    }
}
