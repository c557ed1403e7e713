using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>
/// Collects the faults of a request: the first ones, and their number. A body can contain hundreds of thousands of
/// faults, and a reader needs only a few.
/// </summary>
internal sealed class RequestFaults
{
    /// <summary>The maximum number of kept faults. A problem has room for about twenty.</summary>
    public const int MostKept = 50;

    private readonly List<RequestFault> _kept = [];

    /// <summary>Gets the first faults.</summary>
    public IReadOnlyList<RequestFault> Kept => _kept;

    /// <summary>Gets the number of all faults.</summary>
    public int Count { get; private set; }

    public void Add(RequestFault fault)
    {
        Count++;
        if (_kept.Count < MostKept)
            _kept.Add(fault);
    }

    /// <summary>Adds a fault. The text of its pointer is only made if the fault is kept.</summary>
    public void Add(JsonPointer pointer, string detail)
    {
        if (_kept.Count < MostKept)
            Add(new RequestFault(pointer.ToString(), detail));
        else
            Count++;
    }
}
