using System.Diagnostics;
using System.Text.Json;

namespace Gateway.Bench;

/// <summary>The process that <see cref="Load"/> runs in. It ends with this one, however that ends.</summary>
internal sealed class LoadProcess : IAsyncDisposable
{
    /// <summary>The argument that makes this program the load.</summary>
    public const string Argument = "load";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process = Process.Start(
        new ProcessStartInfo("dotnet", [typeof(LoadProcess).Assembly.Location, Argument])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;

    /// <exception cref="InvalidOperationException">It ended, or met an error: then nothing is worth measuring.</exception>
    public async Task<LoadResult> RunAsync(int port, string load, TimeSpan duration)
    {
        await _process.StandardInput.WriteLineAsync(Load.Command(port, load, duration));
        await _process.StandardInput.FlushAsync();
        var line = await _process.StandardOutput.ReadLineAsync().WaitAsync(duration + Patience)
            ?? throw new InvalidOperationException("The load's process has ended.");
        var result = JsonSerializer.Deserialize<LoadResult>(line)!;
        if (result.Errors > 0 || result.Requests == 0)
            throw new InvalidOperationException($"{result.Errors} errors and {result.Requests} right answers to \"{load}\".");
        return result;
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.StandardInput.Close();
            await _process.WaitForExitAsync().WaitAsync(Patience);
        }
        catch (Exception error) when (error is TimeoutException or IOException)
        {
            _process.Kill();
        }
        _process.Dispose();
    }
}
