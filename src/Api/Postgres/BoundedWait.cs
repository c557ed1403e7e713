namespace Gateway.Api.Postgres;

/// <summary>
/// Waits for a server that may never answer. When Npgsql cancels, it first tries to reach the server on the thread that
/// cancels, for up to the connect timeout, and who receives the server's answer waits for that thread. A timer's thread
/// or a request's thread must not block for so long. So abandoned work is left alone for 10 seconds, in which most
/// servers come back and end it. Then it is cancelled on a thread of its own.
/// </summary>
internal static class BoundedWait
{
    /// <summary>The time that abandoned work is left alone.</summary>
    public static readonly TimeSpan LeftAlone = TimeSpan.FromSeconds(10);

    /// <summary>Runs the work, and waits for it until the limit.</summary>
    /// <exception cref="TimeoutException">The work was abandoned.</exception>
    /// <exception cref="OperationCanceledException">
    /// <paramref name="cancellation"/> came first; the work was abandoned.
    /// </exception>
    public static async Task RunAsync(
        Func<CancellationToken, Task> work, TimeSpan limit, TimeProvider clock,
        CancellationToken cancellation = default)
    {
        var abandon = new CancellationTokenSource();
        var running = work(abandon.Token);
        try
        {
            await running.WaitAsync(limit, clock, cancellation);
        }
        finally
        {
            if (running.IsCompleted)
                abandon.Dispose();
            else
                _ = AbandonAsync(running, abandon, LeftAlone, clock);
        }
    }

    /// <summary>Cancels the work after a time, and returns when it has ended, however it ends.</summary>
    public static async Task AbandonAsync(
        Task work, CancellationTokenSource abandon, TimeSpan leftAlone, TimeProvider clock)
    {
        if (await Task.WhenAny(work, Task.Delay(leftAlone, clock)) != work)
        {
            // All sessions of all pools may block at once, and the thread pool has fewer threads.
            await Task.Factory.StartNew(
                abandon.Cancel, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        await work.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        abandon.Dispose();
    }
}
