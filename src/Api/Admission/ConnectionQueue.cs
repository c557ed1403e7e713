using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Contracts;

namespace Gateway.Api.Admission;

/// <summary>
/// How much at a time: as many requests run on a connection as it has sessions, a bounded number waits, and what comes
/// after that is refused at once, since waiting longer than a caller does helps nobody.
/// </summary>
internal sealed class ConnectionQueue(string connection, int places, int queueLimit) : IDisposable
{
    private readonly SemaphoreSlim _free = new(places, places);
    private int _waiting;

    /// <summary>Waits for a place; disposing what is returned gives it up.</summary>
    /// <exception cref="Failure"><c>saturated</c>, or <c>deadline_exceeded</c> while waiting.</exception>
    public async ValueTask<Place> EnterAsync(Deadline deadline)
    {
        if (_free.Wait(0, CancellationToken.None))
            return new Place(_free);

        if (Interlocked.Increment(ref _waiting) > queueLimit)
        {
            Interlocked.Decrement(ref _waiting);
            throw new Failure(
                ProblemCode.Saturated,
                $"Connection \"{connection}\" has all of its {places} sessions in use and {queueLimit} requests waiting; "
                + $"Gateway__Connections__{connection}__PoolSize and …__QueueLimit raise that.");
        }

        try
        {
            await _free.WaitAsync(deadline.Token);
            return new Place(_free);
        }
        catch (OperationCanceledException error)
        {
            throw deadline.Ended("waiting for a session", error);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    public void Dispose() => _free.Dispose();

    /// <summary>The right to hold one session.</summary>
    internal readonly struct Place(SemaphoreSlim free) : IDisposable
    {
        public void Dispose() => free.Release();
    }
}
