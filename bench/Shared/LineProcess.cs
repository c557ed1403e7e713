using System.Diagnostics;

namespace Gateway.Bench;

/// <summary>A program that takes a line and answers with a line, again and again. It ends with its input, so with this process.</summary>
internal sealed class LineProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly string _name;

    /// <param name="command">The program and its arguments.</param>
    /// <param name="environment">Over this process's own. Here go passwords: arguments are seen by all.</param>
    public LineProcess(IReadOnlyList<string> command, params IEnumerable<(string Name, string Value)> environment)
    {
        _name = command[0];
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        _process = Process.Start(start)!;
    }

    public int Id => _process.Id;

    /// <param name="line">What to say.</param>
    /// <param name="duration">How long it takes about.</param>
    /// <param name="ct">Ends the waiting.</param>
    /// <exception cref="InvalidOperationException">It has ended, or does not answer.</exception>
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
            throw new InvalidOperationException($"{_name} does not answer.", error);
        }
    }

    public ValueTask DisposeAsync() => new(KeptProcess.EndAsync(_process));
}
