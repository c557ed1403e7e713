using System.Runtime.InteropServices;
using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>
/// The memory that requests may hold together, for what they have sent and what they are answered. A caller gets no more than
/// three times of what is left free then (a dynamic threshold, as in a switch's shared buffer): alone it has three quarters of
/// all, with another one each has three sevenths, and there is always some left for one that has none.
/// </summary>
internal sealed class MemoryBudget
{
    private const int TimesFree = 3;

    /// <summary>The default where the machine has plenty.</summary>
    private const int Plenty = 256 << 20;

    /// <summary>A request has its body, what is made of it, its rows and its answer at some time.</summary>
    private const int PartsOfRequest = 4;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _held = new(StringComparer.Ordinal);
    private readonly long _bytes;
    private long _free;

    /// <param name="bytes">The budget.</param>
    public MemoryBudget(long bytes) => _bytes = _free = bytes;

    /// <summary>The most that one caller may hold, while there is no other.</summary>
    public long MostOfOne => _bytes / (TimesFree + 1) * TimesFree;

    /// <summary>What all requests hold.</summary>
    public long Held
    {
        get
        {
            lock (_lock)
                return _bytes - _free;
        }
    }

    /// <summary>The smallest budget that is of use with the other limits.</summary>
    public static long LeastFor(GatewayOptions options) => PartsOfRequest * ((long)options.BodyLimitBytes + options.ResponseLimitBytes);

    /// <summary>The configured budget; else a third of what the runtime may use, which in a container goes by its limit.</summary>
    public static MemoryBudget Of(GatewayOptions options) => new(
        options.MemoryBudgetBytes
        ?? Math.Max(Math.Min(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 3, Plenty), LeastFor(options)));

    /// <summary>What one request holds; nothing yet.</summary>
    public MemoryReservation Open(string caller) => new(this, caller);

    /// <summary>Takes some for a caller; false where that is more than its share.</summary>
    internal bool TryTake(string caller, long count)
    {
        lock (_lock)
        {
            ref var held = ref CollectionsMarshal.GetValueRefOrAddDefault(_held, caller, out _);
            if (held + count > TimesFree * (_free - count))
            {
                if (held == 0)
                    _held.Remove(caller);
                return false;
            }
            held += count;
            _free -= count;
            return true;
        }
    }

    internal void GiveBack(string caller, long count)
    {
        if (count == 0)
            return;
        lock (_lock)
        {
            _free += count;
            if ((CollectionsMarshal.GetValueRefOrNullRef(_held, caller) -= count) == 0)
                _held.Remove(caller);
        }
    }

    internal Failure Exhausted(string caller) => new(
        ProblemCode.Saturated,
        $"The requests of caller \"{caller}\" hold their share of the {_bytes} bytes that all may hold of this replica's memory "
        + "(Gateway__MemoryBudgetBytes).");

    internal Failure NeverFits(ProblemCode code) => new(
        code,
        code == ProblemCode.BodyTooLarge
            ? $"The request takes more than the {MostOfOne} bytes of memory that one may (Gateway__MemoryBudgetBytes): send it in several."
            : $"The answer takes more than the {MostOfOne} bytes of memory that one may (Gateway__MemoryBudgetBytes); ask for fewer rows or columns.");
}

/// <summary>What one request holds of the memory budget. It is taken in steps, so that most requests ask once.</summary>
internal sealed class MemoryReservation(MemoryBudget budget, string caller) : IDisposable
{
    private const long Step = 32 * 1024;

    // What was abandoned may still write to what it holds.
    private readonly Lock _lock = new();
    private long _used;
    private long _taken;
    private Task? _lastUse;
    private bool _isOver;

    /// <summary>What it is refused with that would never fit: the request first, and then its answer.</summary>
    public ProblemCode TooLarge { get; set; } = ProblemCode.BodyTooLarge;

    /// <summary>Counts memory that is about to be held.</summary>
    /// <exception cref="Failure"><c>saturated</c>; <c>body_too_large</c> or <c>result_too_large</c> where it could never fit.</exception>
    public void Take(long count)
    {
        lock (_lock)
        {
            var more = _isOver ? 0 : _used + count - _taken;
            if (more > 0)
            {
                more = (more + Step - 1) / Step * Step;
                if (_taken + more > budget.MostOfOne)
                    throw budget.NeverFits(TooLarge);
                if (!budget.TryTake(caller, more))
                    throw budget.Exhausted(caller);
                _taken += more;
            }
            _used += count;
        }
    }

    /// <summary>Counts memory that is held no longer.</summary>
    public void GiveBack(long count)
    {
        lock (_lock)
        {
            if (_isOver)
                return;
            _used -= count;
            var spare = (_taken - _used) / Step * Step;
            // A step or two are soon taken again.
            if (spare <= 2 * Step)
                return;
            _taken -= spare;
            budget.GiveBack(caller, spare);
        }
    }

    /// <summary>Counts until then, after the request too: what works there still uses what the request holds.</summary>
    public void KeepUntil(Task lastUse) => _lastUse = lastUse;

    public void Dispose()
    {
        if (_lastUse is { IsCompleted: false } working)
            _ = working.ContinueWith(_ => End(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        else
            End();
    }

    private void End()
    {
        lock (_lock)
        {
            if (_isOver)
                return;
            _isOver = true;
            budget.GiveBack(caller, _taken);
            (_used, _taken) = (0, 0);
        }
    }
}
