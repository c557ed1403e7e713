using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Postgres;

/// <summary>
/// Limits how many requests run on a connection at a time, and how many wait. A request beyond both limits is refused
/// at once, because its caller would stop waiting before its turn.
/// </summary>
/// <remarks>
/// Callers take turns (round robin). If the queue is full, the caller with the most waiting requests loses its newest
/// one to a caller with fewer. So no caller can keep the others out.
/// </remarks>
/// <param name="connection">The connection's name.</param>
/// <param name="places">The maximum number of running requests.</param>
/// <param name="queueLimit">The maximum number of waiting requests.</param>
/// <param name="kind">
/// The name of the places, if no setting gives their number; null for the places of statements.
/// </param>
internal sealed class ConnectionQueue(string connection, int places, int queueLimit, string? kind = null)
{
    private readonly string _saturated =
        $"Connection \"{connection}\" has all of its {places} {kind ?? "sessions"} in use and {queueLimit} requests "
        + "waiting"
        + (kind is null ? $"; Gateway__Connections__{connection}__PoolSize and …__QueueLimit raise that." : ".");

    private readonly int _queueLimit = queueLimit;
    private readonly Lock _lock = new();

    /// <summary>Each caller's waiting requests, the oldest first. A caller with none has no entry.</summary>
    private readonly Dictionary<string, LinkedList<Waiter>> _waiting = new(StringComparer.Ordinal);

    /// <summary>The callers with waiting requests, in the order of their turns.</summary>
    private readonly LinkedList<string> _turns = new();

    private int _free = places;
    private int _count;
    private long _turnsTaken;

    /// <summary>Gets the number of waiting requests.</summary>
    public int Waiting => Read().Waiting;

    /// <summary>Gets the maximum number of running requests.</summary>
    public int Places { get; } = places;

    /// <summary>Gets the maximum number of waiting requests.</summary>
    public int Limit => _queueLimit;

    /// <summary>
    /// Returns the number of places taken, of requests that wait for one, and of requests that got one after a wait.
    /// </summary>
    public (int Taken, int Waiting, long Turns) Read()
    {
        lock (_lock)
            return (Places - _free, _count, _turnsTaken);
    }

    /// <summary>
    /// Takes a place for a session that could not be ended, even if none is free. In that case the next places that are
    /// released are not handed on. Dispose the returned place to release it.
    /// </summary>
    public Place Hold()
    {
        lock (_lock)
            _free--;
        return new Place(this);
    }

    /// <summary>
    /// Waits until a request may open another session. A request that has released its place queues for one again. If
    /// sessions that could not be ended hold too many places (<see cref="Hold"/>), the request releases its place
    /// first: otherwise each retry would use one more session.
    /// </summary>
    /// <exception cref="Failure">
    /// <c>saturated</c>, or <c>deadline_exceeded</c> during the wait. The place is released.
    /// </exception>
    public async ValueTask RenewAsync(Place place, string caller, Deadline deadline)
    {
        lock (_lock)
        {
            if (_free >= 0 && !place.IsReleased)
                return;
        }
        place.Dispose();
        await EnterAsync(caller, deadline);
        place.TakeAgain();
    }

    /// <summary>Waits for a place. Dispose the returned place to release it.</summary>
    /// <exception cref="Failure"><c>saturated</c>, or <c>deadline_exceeded</c> during the wait.</exception>
    public async ValueTask<Place> EnterAsync(string caller, Deadline deadline)
    {
        Waiter waiter;
        lock (_lock)
        {
            if (_free > 0)
            {
                _free--;
                return new Place(this);
            }
            if (_count >= _queueLimit)
                MakeRoomFor(caller);
            waiter = Enqueue(caller);
        }

        await using var leaving = deadline.Token.UnsafeRegister(_ => GiveUp(waiter, deadline), null);
        await waiter.Task;
        return new Place(this);
    }

    /// <summary>Refuses the newest request of the caller with the most, to make room for a caller with fewer.</summary>
    private void MakeRoomFor(string caller)
    {
        var own = _waiting.GetValueOrDefault(caller)?.Count ?? 0;
        var largest = _waiting.Values.MaxBy(waiters => waiters.Count);
        // After the exchange, this caller must not have more waiting requests than the other.
        if (largest is null || largest.Count <= own + 1)
            throw Saturated();

        var newest = largest.Last!.Value;
        Remove(newest);
        newest.SetException(Saturated());
    }

    private Waiter Enqueue(string caller)
    {
        if (!_waiting.TryGetValue(caller, out var waiters))
        {
            _waiting[caller] = waiters = new LinkedList<Waiter>();
            _turns.AddLast(caller);
        }
        var waiter = new Waiter(caller);
        waiters.AddLast(waiter.Node);
        _count++;
        return waiter;
    }

    private void Remove(Waiter waiter)
    {
        var waiters = _waiting[waiter.Caller];
        waiters.Remove(waiter.Node);
        _count--;
        if (waiters.Count > 0)
            return;
        _waiting.Remove(waiter.Caller);
        _turns.Remove(waiter.Caller);
    }

    private void GiveUp(Waiter waiter, Deadline deadline)
    {
        lock (_lock)
        {
            // A waiter that is in no list already has its place, or was refused.
            if (waiter.Node.List is null)
                return;
            Remove(waiter);
        }
        waiter.SetException(deadline.Ended("waiting for a session"));
    }

    /// <summary>Hands the place to the caller whose turn it is.</summary>
    private void Leave()
    {
        Waiter next;
        lock (_lock)
        {
            // If more places are held than exist, this one goes back first.
            if (_free < 0 || _turns.First is not { } turn)
            {
                _free++;
                return;
            }
            next = _waiting[turn.Value].First!.Value;
            _turns.RemoveFirst();
            _turns.AddLast(turn);
            Remove(next);
            _turnsTaken++;
        }
        next.SetResult();
    }

    private Failure Saturated() => new(ProblemCode.Saturated, _saturated);

    /// <summary>Represents the right to hold one session.</summary>
    internal sealed class Place(ConnectionQueue queue) : IDisposable
    {
        private int _isReleased;

        public bool IsReleased => _isReleased != 0;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReleased, 1) == 0)
                queue.Leave();
        }

        public void TakeAgain() => _isReleased = 0;
    }

    /// <summary>
    /// Represents a waiting request. The code that removes it from its list, under the lock, must complete it.
    /// </summary>
    private sealed class Waiter : TaskCompletionSource
    {
        public Waiter(string caller)
            : base(TaskCreationOptions.RunContinuationsAsynchronously)
        {
            Caller = caller;
            Node = new LinkedListNode<Waiter>(this);
        }

        public string Caller { get; }

        public LinkedListNode<Waiter> Node { get; }
    }
}
