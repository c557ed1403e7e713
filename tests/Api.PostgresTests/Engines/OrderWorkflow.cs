namespace Gateway.Api.PostgresTests.Engines;

/// <summary>How a workflow ended: with the order that it placed, or with an error.</summary>
internal sealed record OrderOutcome(string? OrderId, string? Error);

/// <summary>A run of an example's workflow, which places an order, and the worker that it runs in.</summary>
internal abstract class OrderWorkflow : IAsyncDisposable
{
    /// <summary>Kills the worker with no chance to clean up.</summary>
    public abstract Task KillWorkerAsync();

    /// <summary>Starts the worker again; the engine does the rest.</summary>
    public abstract Task RestartWorkerAsync();

    /// <summary>Waits for its end.</summary>
    public abstract Task<OrderOutcome> WaitAsync();

    public abstract ValueTask DisposeAsync();
}
