namespace Gateway.Api.Postgres;

/// <summary>
/// Waits for a server that may never answer. Npgsql ends a wait by first trying to reach the server on the thread that
/// cancels, for as long as a connect may take, and whoever gets the server's answer meanwhile waits for that thread;
/// neither a timer's thread nor a request's can be spared for it. So what is given up is left alone for a while, in which
/// most servers come back and end it, and then ended on a thread of its own.
/// </summary>
internal static class Bounded
{
    private static readonly TimeSpan LeftAlone = TimeSpan.FromSeconds(10);

    /// <summary>Runs some work for so long at most.</summary>
    /// <exception cref="TimeoutException">It was abandoned.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellation"/> came first; it was abandoned.</exception>
    public static async Task RunAsync(
        Func<CancellationToken, Task> work, TimeSpan limit, CancellationToken cancellation = default)
    {
        var abandon = new CancellationTokenSource();
        var running = work(abandon.Token);
        try
        {
            await running.WaitAsync(limit, cancellation);
        }
        finally
        {
            if (running.IsCompleted)
                abandon.Dispose();
            else
                _ = AbandonAsync(running, abandon);
        }
    }

    /// <summary>Ends the work by its cancellation, after a while; returns when it has ended, however.</summary>
    public static async Task AbandonAsync(Task work, CancellationTokenSource abandon)
    {
        if (await Task.WhenAny(work, Task.Delay(LeftAlone)) != work)
        {
            // As many as all pools have sessions may be blocked at once, which is more than the thread pool has threads.
            await Task.Factory.StartNew(
                abandon.Cancel, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        await work.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        abandon.Dispose();
    }
}
