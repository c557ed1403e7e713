using System.Diagnostics;
using System.Globalization;

namespace Gateway.LocalPostgres;

/// <summary>
/// Stops a server that still runs on a data directory whose owner has ended. The caller must have the owner's lock.
/// </summary>
internal static class StaleServer
{
    private static readonly (string Signal, int Seconds)[] Steps = [("INT", 15), ("QUIT", 5), ("KILL", 5)];

    /// <summary>
    /// Stops the server: with a fast shutdown, then an immediate one, then by KILL. Does nothing if there is none.
    /// </summary>
    public static async Task StopAsync(string data, CancellationToken ct)
    {
        if (await FindAsync(data, ct) is not { } pid)
            return;

        foreach (var (signal, seconds) in Steps)
        {
            // Uses sh, which has a built-in kill.
            var id = pid.ToString(CultureInfo.InvariantCulture);
            string[] kill = ["sh", "-c", "kill -s \"$1\" \"$2\"", "sh", signal, id];
            await Command.RunAsync(kill, TimeSpan.FromSeconds(10), ct);
            for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(seconds);)
            {
                if (!await IsServerAsync(pid, data, ct))
                    return;
                await Task.Delay(50, ct);
            }
        }
        throw new LocalPostgresException(
            $"An earlier run left the process {pid} serving {data}, and it can't be ended: end it, or set DSN.");
    }

    /// <summary>Returns the process ID of the server on the data directory; null if there is none.</summary>
    public static async Task<int?> FindAsync(string data, CancellationToken ct)
    {
        try
        {
            var line = File.ReadLines(Path.Combine(data, "postmaster.pid")).FirstOrDefault();
            return int.TryParse(line, CultureInfo.InvariantCulture, out var pid) && await IsServerAsync(pid, data, ct)
                ? pid
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>
    /// Returns whether the process is a PostgreSQL server on the data directory: the ID in an old file may belong to
    /// another process by now. The check reads the command line, which any user may read, and which is empty once the
    /// process has ended, even if it is not yet reaped.
    /// </summary>
    private static async Task<bool> IsServerAsync(int pid, string data, CancellationToken ct)
    {
        if (!OperatingSystem.IsLinux())
        {
            var id = pid.ToString(CultureInfo.InvariantCulture);
            var ps = await Command.RunAsync(["ps", "-o", "command=", "-p", id], TimeSpan.FromSeconds(10), ct);
            return ps.Output.Contains("postgres -D " + data, StringComparison.Ordinal);
        }
        try
        {
            var words = (await File.ReadAllTextAsync($"/proc/{pid}/cmdline", ct)).Split('\0');
            return Path.GetFileName(words[0]) == "postgres" && words.Contains(data);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
