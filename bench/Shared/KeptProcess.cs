using System.Diagnostics;

namespace Gateway.Bench;

/// <summary>A process that ends with its input, which this one holds.</summary>
internal static class KeptProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Ends it in order; where it does not end, it is killed, and all that descend from it.</summary>
    public static async Task EndAsync(Process process)
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
}
