using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Journal;

/// <summary>
/// Lets requests wait until no transaction runs their activity any more (docs/decisions/0017). A waiting request holds
/// no session: one query for all of them, every 50 ms while there are any, reads the open transactions from
/// <c>pg_stat_activity</c>. So it makes no difference which replica runs the activity.
/// </summary>
/// <param name="journal">The connection's journal.</param>
/// <param name="control">The control role's sessions.</param>
/// <param name="role">The role that callers' SQL runs as.</param>
/// <param name="clock">The clock for pauses.</param>
internal sealed class InFlightActivities(
    ActivityJournal journal, ControlSessions control, string role, TimeProvider clock)
{
    /// <summary>The maximum number of waiting requests.</summary>
    public const int MaxWaiting = 1024;

    /// <summary>The maximum number of one caller's waiting requests, so that it leaves room for others.</summary>
    public const int MaxWaitingOfCaller = MaxWaiting / 2;

    /// <summary>The time between two looks. The announcement of a cancel stays for longer.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<ActivityIdentity, Wait> _waits = [];
    private readonly Dictionary<string, int> _countByCaller = new(StringComparer.Ordinal);
    private int _count;
    private bool _isLooking;

    /// <summary>Gets the number of waiting requests.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _count;
        }
    }

    /// <summary>Gets why the last look failed; null if it did not.</summary>
    public NpgsqlException? Fault { get; private set; }

    /// <summary>Returns the number of requests that wait for the activity.</summary>
    public int CountWaiting(ActivityIdentity activity)
    {
        lock (_lock)
            return _waits.TryGetValue(activity, out var wait) ? wait.Waiters.Count : 0;
    }

    /// <summary>Adds a request that waits for the activity. Dispose of the waiter when the wait is over.</summary>
    /// <param name="activity">The activity.</param>
    /// <param name="least">The minimum time of the wait, unless the activity's record is found.</param>
    /// <returns>Null if too many requests are waiting.</returns>
    public Waiter? Enter(ActivityIdentity activity, TimeSpan least)
    {
        Waiter waiter;
        lock (_lock)
        {
            var own = _countByCaller.GetValueOrDefault(activity.Caller);
            if (_count >= MaxWaiting || own >= MaxWaitingOfCaller)
                return null;
            _countByCaller[activity.Caller] = own + 1;
            _count++;
            if (!_waits.TryGetValue(activity, out var wait))
                _waits[activity] = wait = new Wait(activity);
            waiter = new Waiter(this, wait, clock.GetTimestamp(), least);
            wait.Waiters.AddLast(waiter.Node);
            if (_isLooking)
                return waiter;
            _isLooking = true;
        }
        // The loop serves other requests too, so it must not be part of this one's trace.
        using (ExecutionContext.SuppressFlow())
            _ = Task.Run(LookUntilNobodyWaitsAsync);
        return waiter;
    }

    /// <summary>Tells the requests that wait for the activity that it is being cancelled.</summary>
    public void Cancel(ActivityIdentity activity)
    {
        lock (_lock)
        {
            if (_waits.TryGetValue(activity, out var wait))
                wait.IsCancelled = true;
        }
    }

    private void Leave(Waiter waiter)
    {
        lock (_lock)
        {
            if (waiter.Node.List is null)
                return;
            var wait = waiter.Wait;
            wait.Waiters.Remove(waiter.Node);
            if (wait.Waiters.Count == 0)
                _waits.Remove(wait.Activity);
            _count--;
            if (--_countByCaller[wait.Activity.Caller] == 0)
                _countByCaller.Remove(wait.Activity.Caller);
        }
    }

    /// <summary>Never fails: an unexpected exception goes to the requests that wait.</summary>
    private async Task LookUntilNobodyWaitsAsync()
    {
        while (true)
        {
            Wait[] waits;
            lock (_lock)
            {
                if (_count == 0)
                {
                    _isLooking = false;
                    return;
                }
                waits = [.. _waits.Values];
            }
            try
            {
                await LookAsync(waits);
                Fault = null;
            }
            catch (NpgsqlException error)
            {
                // The next look may succeed. Until then nobody is woken: a server in trouble needs no more requests.
                Fault = error;
            }
            catch (Exception error)
            {
                foreach (var waiter in waits.SelectMany(WaitersOf))
                    waiter.Fail(error);
            }
            await Task.Delay(Pause, clock);
        }
    }

    private async Task LookAsync(Wait[] waits)
    {
        // Only the first look compares tags.
        var keys = waits.Any(wait => wait.Transactions is null)
            ? await journal.ReadKeysAsync(CancellationToken.None)
            : [];
        var (open, cancels) = await control.AskAsync(
            (session, ending) => OpenTransaction.ReadAsync(session, role, ending), CancellationToken.None, LookTime);
        var byId = open.ToLookup(transaction => (transaction.Backend.ProcessId, transaction.Since));
        foreach (var wait in waits)
        {
            if (cancels.Contains(wait.CancelName))
                wait.IsCancelled = true;
            var isFirst = wait.Transactions is null;
            wait.Transactions = wait.Transactions is { } known
                ? [.. known.SelectMany(one => byId[(one.Backend.ProcessId, one.Since)])]
                : [.. open.Where(transaction => transaction.HasWritten && transaction.Runs(wait.Activity, keys))];
            // A write without a record may have the same ID, and then the same tag; so the end of one is enough.
            wait.Expected = Math.Max(wait.Expected, wait.Transactions.Count);
            var hasOneEnded = wait.Transactions.Count == 0 || wait.Transactions.Count < wait.Expected;
            // The one that matters may have ended before the first look.
            if (hasOneEnded || isFirst)
                await WakeAsync(wait, hasOneEnded);
        }
    }

    /// <summary>
    /// Wakes all requests that wait for the activity, if it has a record. If it has none, may wake only one: that one
    /// claims the activity, and the others go on waiting, for it.
    /// </summary>
    private async Task WakeAsync(Wait wait, bool mayClaim)
    {
        var record = await journal.FindAsync(wait.Activity, CancellationToken.None);
        if (record is null && !mayClaim)
            return;
        // The next look finds the transaction of the request that is woken.
        (wait.Transactions, wait.Expected) = (null, 0);
        foreach (var waiter in WaitersOf(wait))
        {
            if (record is not null)
                waiter.Wake(record);
            else if (clock.GetElapsedTime(waiter.Since) >= waiter.Least)
            {
                waiter.Wake(null);
                return;
            }
        }
    }

    /// <returns>The waiters, the oldest first.</returns>
    private Waiter[] WaitersOf(Wait wait)
    {
        lock (_lock)
            return [.. wait.Waiters];
    }

    /// <summary>Represents the wait of one or more requests for an activity.</summary>
    internal sealed class Wait(ActivityIdentity activity)
    {
        public ActivityIdentity Activity => activity;

        public string CancelName { get; } = activity.CancelName;

        /// <summary>Gets the waiting requests, the oldest first.</summary>
        public LinkedList<Waiter> Waiters { get; } = new();

        /// <summary>
        /// Gets or sets the open transactions that have written under the activity's tag, as seen last; null before the
        /// first look.
        /// </summary>
        public IReadOnlyList<OpenTransaction>? Transactions { get; set; }

        /// <summary>
        /// Gets or sets the number of transactions that the first look found. Fewer now: at least one has ended.
        /// </summary>
        public int Expected { get; set; }

        /// <summary>Gets or sets whether a cancel of the activity was announced.</summary>
        public bool IsCancelled { get; set; }
    }

    /// <summary>Represents a waiting request.</summary>
    internal sealed class Waiter : IDisposable
    {
        private readonly InFlightActivities _activities;
        private readonly TaskCompletionSource<ActivityRecord?> _woken =
            new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <param name="activities">The waiting requests.</param>
        /// <param name="wait">The wait for its activity.</param>
        /// <param name="since">When it began to wait, as a timestamp of the clock.</param>
        /// <param name="least">The minimum time of the wait, unless the activity's record is found.</param>
        public Waiter(InFlightActivities activities, Wait wait, long since, TimeSpan least)
        {
            (_activities, Wait, Since, Least) = (activities, wait, since, least);
            Node = new LinkedListNode<Waiter>(this);
        }

        public LinkedListNode<Waiter> Node { get; }

        public Wait Wait { get; }

        public long Since { get; }

        public TimeSpan Least { get; }

        /// <summary>Gets whether a cancel of the activity was announced during the wait.</summary>
        public bool IsCancelled => Wait.IsCancelled;

        /// <summary>Gets how long the activity has been running, by the server's clock; null if unknown.</summary>
        public TimeSpan? Age => Wait.Transactions is [_, ..] transactions ? transactions.Max(one => one.Age) : null;

        /// <summary>Waits until the request is woken.</summary>
        /// <returns>The activity's record; null if there is none, and the request may claim the activity.</returns>
        public Task<ActivityRecord?> WaitAsync(CancellationToken cancellation) => _woken.Task.WaitAsync(cancellation);

        public void Wake(ActivityRecord? record)
        {
            _activities.Leave(this);
            _woken.TrySetResult(record);
        }

        public void Fail(Exception error)
        {
            _activities.Leave(this);
            // The request may have stopped waiting, and then nobody observes the task.
            if (_woken.TrySetException(error))
                _ = _woken.Task.Exception;
        }

        public void Dispose() => _activities.Leave(this);
    }
}
