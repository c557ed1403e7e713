using System.Diagnostics;
using System.Runtime.InteropServices;
using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>
/// Limits the memory that all requests may hold together, for their bodies and their answers. A caller may hold at most
/// three times the memory that is still free then (a dynamic threshold, as in a switch's shared buffer): alone it gets
/// three quarters of the budget, two callers get three sevenths each, and some memory is always left for a caller that
/// holds none.
/// </summary>
internal sealed class MemoryBudget
{
    private const int TimesFree = 3;

    /// <summary>The maximum of the default budget.</summary>
    private const int Plenty = 256 << 20;

    /// <summary>
    /// The parts of a request that may be in memory at the same time: its body, the values read from it, its rows, and
    /// its answer.
    /// </summary>
    private const int PartsOfRequest = 4;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _held = new(StringComparer.Ordinal);
    private readonly long _bytes;
    private long _free;

    /// <param name="bytes">The budget, in bytes.</param>
    public MemoryBudget(long bytes) => _bytes = _free = bytes;

    /// <summary>Gets the maximum that one caller may hold, in bytes, while no other caller holds any.</summary>
    public long MostOfOne => _bytes / (TimesFree + 1) * TimesFree;

    /// <summary>Gets the memory that all requests hold, in bytes.</summary>
    public long Held
    {
        get
        {
            lock (_lock)
                return _bytes - _free;
        }
    }

    /// <summary>Returns the smallest budget that the limits for bodies and answers allow, in bytes.</summary>
    public static long LeastFor(GatewayOptions options) =>
        PartsOfRequest * ((long)options.BodyLimitBytes + options.ResponseLimitBytes);

    /// <summary>
    /// Returns the configured budget. The default is a third of the memory that the runtime may use, which in a
    /// container follows the container's limit.
    /// </summary>
    public static MemoryBudget Of(GatewayOptions options) => new(
        options.MemoryBudgetBytes
        ?? Math.Max(Math.Min(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 3, Plenty), LeastFor(options)));

    /// <summary>Returns an empty reservation for one request.</summary>
    public MemoryReservation Open(string caller) => new(this, caller);

    /// <summary>Takes memory for a caller. Returns false if that exceeds its share.</summary>
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
        $"The requests of caller \"{caller}\" hold their share of the {_bytes} bytes that all may hold "
        + "of this replica's memory (Gateway__MemoryBudgetBytes).");

    internal Failure NeverFits(ProblemCode code) => new(
        code,
        code == ProblemCode.BodyTooLarge
            ? $"The request takes more than the {MostOfOne} bytes of memory that one may "
                + "(Gateway__MemoryBudgetBytes): send it in several."
            : $"The answer takes more than the {MostOfOne} bytes of memory that one may "
                + "(Gateway__MemoryBudgetBytes); ask for fewer rows or columns.");
}

/// <summary>
/// Represents the memory that one request holds. It is taken from the budget in steps, so that most requests take from
/// it once only.
/// </summary>
internal sealed class MemoryReservation(MemoryBudget budget, string caller) : IDisposable
{
    private const long Step = 32 * 1024;

    // Abandoned work may still write to memory that the request holds.
    private readonly Lock _lock = new();
    private long _used;
    private long _taken;
    private Task? _lastUse;
    private bool _isOver;

    /// <summary>
    /// Gets or sets the code of the failure for a size that can never fit: of the body first, then of the answer.
    /// </summary>
    public ProblemCode TooLarge { get; set; } = ProblemCode.BodyTooLarge;

    /// <summary>Counts memory that is about to be held.</summary>
    /// <exception cref="Failure">
    /// <c>saturated</c>; <c>body_too_large</c> or <c>result_too_large</c> if the size can never fit.
    /// </exception>
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

    /// <summary>Counts memory that is no longer held.</summary>
    public void GiveBack(long count)
    {
        lock (_lock)
        {
            if (_isOver)
                return;
            _used -= count;
            Debug.Assert(_used >= 0, "More memory was given back than was taken.");
            var spare = (_taken - _used) / Step * Step;
            // Keep up to two free steps: they are soon needed again.
            if (spare <= 2 * Step)
                return;
            _taken -= spare;
            budget.GiveBack(caller, spare);
        }
    }

    /// <summary>
    /// Keeps the reservation until the task ends, even after the request: the task still uses the request's memory.
    /// </summary>
    public void KeepUntil(Task lastUse) => _lastUse = lastUse;

    public void Dispose()
    {
        if (_lastUse is { IsCompleted: false } working)
        {
            _ = working.ContinueWith(
                _ => End(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
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
