using System.Diagnostics;

namespace Gateway.LocalPostgres;

/// <summary>
/// Represents a running server under its watchdog (<c>watchdog.sh</c>), which ends when the server ends.
/// </summary>
internal sealed class ServerProcess : IDisposable
{
    private static readonly (string Signal, int Seconds)[] Steps = [("INT", 30), ("QUIT", 10), ("KILL", 10)];

    private readonly Process _watchdog;

    private ServerProcess(Process watchdog) => _watchdog = watchdog;

    public bool HasExited => _watchdog.HasExited;

    public int Id => _watchdog.Id;

    public static ServerProcess Start(ServerAccount account, ServerCommand command, string log)
    {
        var script = Resources.Read("watchdog.sh");
        var start = Command.StartInfo(
            account.Wrap(["sh", "-c", script, "watchdog", log, command.Container, .. command.Arguments]));
        foreach (var (name, value) in command.Environment)
            start.Environment[name] = value;
        return new ServerProcess(Process.Start(start)!);
    }

    /// <summary>Stops the server in the given mode. If it does not end in time, stronger signals follow.</summary>
    public async Task StopAsync(ShutdownMode mode)
    {
        foreach (var (signal, seconds) in mode == ShutdownMode.Fast ? Steps : Steps[1..])
        {
            if (_watchdog.HasExited)
                break;
            Send(signal);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
            try
            {
                await _watchdog.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                // The next, stronger signal follows.
            }
        }
    }

    /// <summary>Disconnects from the watchdog, which then ends a server that still runs.</summary>
    public void Dispose()
    {
        try
        {
            _watchdog.StandardInput.Close();
        }
        catch (IOException)
        {
            // The watchdog has ended.
        }
        _watchdog.Dispose();
    }

    private void Send(string signal)
    {
        try
        {
            _watchdog.StandardInput.Write(signal + "\n");
            _watchdog.StandardInput.Flush();
        }
        catch (IOException)
        {
            // The watchdog has just ended.
        }
    }
}
