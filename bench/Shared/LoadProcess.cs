using System.Text.Json;

namespace Gateway.Bench;

/// <summary>
/// Represents the process in which <see cref="Load"/> runs. It ends with this process, even if this process is killed.
/// </summary>
internal sealed class LoadProcess : IAsyncDisposable
{
    /// <summary>The argument that makes this program the load.</summary>
    public const string Argument = "load";

    private readonly LineProcess _process = new(["dotnet", typeof(LoadProcess).Assembly.Location, Argument]);

    /// <summary>Runs a load.</summary>
    /// <exception cref="InvalidOperationException">
    /// The process ended, or there was an error. The measurement is useless then.
    /// </exception>
    public async Task<LoadResult> RunAsync(int port, string load, TimeSpan duration)
    {
        var line = await _process.AskAsync(Load.Command(port, load, duration), duration, CancellationToken.None);
        var result = JsonSerializer.Deserialize<LoadResult>(line)!;
        if (result.Errors > 0 || result.Requests == 0)
        {
            throw new InvalidOperationException(
                $"{result.Errors} errors and {result.Requests} right answers to \"{load}\".");
        }
        return result;
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();
}
