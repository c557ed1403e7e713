using System.Diagnostics;

namespace Gateway.Bench;

/// <summary>
/// Represents a program that reads lines and answers each with a line. It ends when its input ends, so it ends with
/// this process.
/// </summary>
internal sealed class LineProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly string _name;

    /// <param name="command">The program and its arguments.</param>
    /// <param name="environment">
    /// Variables that override this process's own. Passwords belong here: all users can see arguments.
    /// </param>
    public LineProcess(IReadOnlyList<string> command, params IEnumerable<(string Name, string Value)> environment)
    {
        _name = command[0];
        _process = Start(command, environment);
    }

    public int Id => _process.Id;

    /// <summary>Starts a process, and redirects its input and output.</summary>
    public static Process Start(
        IReadOnlyList<string> command, IEnumerable<(string Name, string Value)> environment, bool redirectOutput = true)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = redirectOutput,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>
    /// Closes the input of a process and waits until it has ended. Kills it, with its descendants, if it does not end.
    /// </summary>
    public static async ValueTask EndAsync(Process process)
    {
        try
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync().WaitAsync(Patience);
        }
        catch (Exception error) when (error is TimeoutException or IOException)
        {
            process.Kill(entireProcessTree: true);
        }
        process.Dispose();
    }

    /// <summary>Sends a line and returns the answer.</summary>
    /// <param name="line">The line to send.</param>
    /// <param name="duration">The approximate time that the answer takes.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="InvalidOperationException">The program has ended, or does not answer.</exception>
    public async Task<string> AskAsync(string line, TimeSpan duration, CancellationToken ct)
    {
        try
        {
            await _process.StandardInput.WriteLineAsync(line.AsMemory(), ct);
            await _process.StandardInput.FlushAsync(ct);
            return await _process.StandardOutput.ReadLineAsync(ct).AsTask().WaitAsync(duration + Patience, ct)
                ?? throw new InvalidOperationException($"{_name} has ended.");
        }
        catch (TimeoutException error)
        {
            // A late answer would be taken for the answer to the next line.
            _process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"{_name} does not answer.", error);
        }
    }

    public ValueTask DisposeAsync() => EndAsync(_process);
}
