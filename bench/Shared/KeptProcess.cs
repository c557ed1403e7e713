using System.Diagnostics;

namespace Gateway.Bench;

/// <summary>Ends a process that stops when its input is closed. This process holds that input.</summary>
internal static class KeptProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Closes the input and waits. Kills the process and its descendants if it does not end.</summary>
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
