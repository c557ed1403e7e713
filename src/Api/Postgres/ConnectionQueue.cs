using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Postgres;

/// <summary>
/// How much at a time: as many requests run on a connection as it has sessions, a bounded number waits, and what comes
/// after that is refused at once, since waiting longer than a caller does helps nobody. Callers take turns, and where
/// the queue is full the one that has most in it gives way, so that none can keep the others out.
/// </summary>
/// <param name="connection">The connection's name.</param>
/// <param name="places">The most requests that run.</param>
/// <param name="queueLimit">The most requests that wait.</param>
/// <param name="kind">What the places are, where no setting says how many there are; null for those of statements.</param>
internal sealed class ConnectionQueue(string connection, int places, int queueLimit, string? kind = null)
{
    private readonly string _saturated =
        $"Connection \"{connection}\" has all of its {places} {kind ?? "sessions"} in use and {queueLimit} requests waiting"
        + (kind is null ? $"; Gateway__Connections__{connection}__PoolSize and …__QueueLimit raise that." : ".");

    private readonly int _queueLimit = queueLimit;
    private readonly Lock _lock = new();

    /// <summary>Each caller's waiting requests, the oldest first; a caller with none has no entry.</summary>
    private readonly Dictionary<string, LinkedList<Waiter>> _waiting = new(StringComparer.Ordinal);

    /// <summary>The callers with waiting requests; whose turn it is stands first.</summary>
    private readonly LinkedList<string> _turns = new();

    private int _free = places;
    private int _count;
    private long _turnsTaken;

    /// <summary>The requests that wait at the moment.</summary>
    public int Waiting => Read().Waiting;

    /// <summary>The most requests that run.</summary>
    public int Places { get; } = places;

    /// <summary>The most requests that wait.</summary>
    public int Limit => _queueLimit;

    /// <summary>The places that are taken, the requests that wait for one, and how many have waited and got one so far.</summary>
    public (int Taken, int Waiting, long Turns) Read()
    {
        lock (_lock)
            return (Places - _free, _count, _turnsTaken);
    }

    /// <summary>
    /// Takes a place for a session that nobody could end, even where none is free: then the next ones that are given up are not
    /// handed on. Disposing what is returned gives it up.
    /// </summary>
    public Place Hold()
    {
        lock (_lock)
            _free--;
        return new Place(this);
    }

    /// <summary>
    /// Waits until a request that has a place may have another session: where its last one holds a place of its own
    /// (<see cref="Hold"/>), it lets go of its own and waits for its turn, or each try would take one session more.
    /// </summary>
    /// <exception cref="Failure"><c>saturated</c>, or <c>deadline_exceeded</c> while waiting; the place is gone then.</exception>
    public async ValueTask RenewAsync(Place place, string caller, Deadline deadline)
    {
        lock (_lock)
        {
            if (_free >= 0)
                return;
        }
        place.Dispose();
        await EnterAsync(caller, deadline);
        place.TakeAgain();
    }

    /// <summary>Waits for a place; disposing what is returned gives it up.</summary>
    /// <exception cref="Failure"><c>saturated</c>, or <c>deadline_exceeded</c> while waiting.</exception>
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

    /// <summary>The newest request of the caller that has most in the queue gives way to one that has fewer.</summary>
    private void MakeRoomFor(string caller)
    {
        var own = _waiting.GetValueOrDefault(caller)?.Count ?? 0;
        var largest = _waiting.Values.MaxBy(waiters => waiters.Count);
        // With one fewer for the one and one more for the other, it must not be the other way round.
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
            // A waiter that is in no list has been given its place, or has been refused.
            if (waiter.Node.List is null)
                return;
            Remove(waiter);
        }
        waiter.SetException(deadline.Ended("waiting for a session"));
    }

    /// <summary>Hands the place on to the caller whose turn it is.</summary>
    private void Leave()
    {
        Waiter next;
        lock (_lock)
        {
            // What is held beyond the places comes back first.
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

    /// <summary>The right to hold one session.</summary>
    internal sealed class Place(ConnectionQueue queue) : IDisposable
    {
        private int _isGivenUp;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isGivenUp, 1) == 0)
                queue.Leave();
        }

        public void TakeAgain() => _isGivenUp = 0;
    }

    /// <summary>Whoever takes it out of its list, under the lock, settles it.</summary>
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
