using System.Globalization;

namespace Gateway.Bench;

/// <summary>Represents a program that has run to its end.</summary>
/// <param name="Output">The text that it wrote to standard output.</param>
/// <param name="OwnSeconds">Its CPU time in seconds; NaN if that can't be read.</param>
/// <param name="PeakMemory">Its peak resident memory in MiB; NaN if that can't be read.</param>
internal sealed record ProgramRun(string Output, double OwnSeconds, double PeakMemory)
{
    private const string Ended = "ended with ";

    /// <summary>
    /// The shell that runs the program and then stays: Linux shows the CPU time of an ended process as long as its
    /// parent, which has waited for it, exists. The shell ignores Ctrl+C in a terminal, because the benchmark handles
    /// it.
    /// </summary>
    private const string Keeper = $"""trap '' INT; "$@" </dev/null; echo "{Ended}$?"; read -r _""";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(0.1);

    /// <summary>Runs a program to its end.</summary>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="duration">The approximate time that it takes.</param>
    /// <param name="ct">Ends the program.</param>
    /// <param name="environment">
    /// Variables that override this process's own. Passwords belong here: all users can see arguments.
    /// </param>
    /// <exception cref="InvalidOperationException">The program has failed.</exception>
    public static async Task<ProgramRun> RunAsync(
        IReadOnlyList<string> command,
        TimeSpan duration,
        CancellationToken ct,
        params IEnumerable<(string Name, string Value)> environment)
    {
        ct.ThrowIfCancellationRequested();
        using var keeper = LineProcess.Start(["sh", "-c", Keeper, "sh", .. command], environment);
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
                : throw new InvalidOperationException(
                    $"{command[0]} failed with the exit code {exitCode}. {output}");
        }
        finally
        {
            // In any case: if the program has ended, the shell still waits.
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
        throw new InvalidOperationException("The shell that starts a program has ended.");
    }
}
