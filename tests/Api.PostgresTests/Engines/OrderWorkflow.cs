namespace Gateway.Api.PostgresTests.Engines;

/// <summary>Represents a workflow's result: the order that it placed, or an error.</summary>
internal sealed record OrderOutcome(string? OrderId, string? Error);

/// <summary>Represents a run of an example's workflow, which places an order, and its worker.</summary>
internal abstract class OrderWorkflow : IAsyncDisposable
{
    /// <summary>Kills the worker.</summary>
    public abstract Task KillWorkerAsync();

    /// <summary>Starts the worker again; the engine then continues the workflow.</summary>
    public abstract Task RestartWorkerAsync();

    /// <summary>Waits for the end of the workflow.</summary>
    public abstract Task<OrderOutcome> WaitAsync();

    public abstract ValueTask DisposeAsync();
}
