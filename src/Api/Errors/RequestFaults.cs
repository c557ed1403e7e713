using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>
/// The faults of a request: the first ones, and how many there are. A body has room for hundreds of thousands, and nobody reads more than
/// a few.
/// </summary>
internal sealed class RequestFaults
{
    /// <summary>A problem has room for some twenty.</summary>
    public const int MostKept = 50;

    private readonly List<RequestFault> _kept = [];

    /// <summary>The first ones.</summary>
    public IReadOnlyList<RequestFault> Kept => _kept;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    public void Add(RequestFault fault)
    {
        Count++;
        if (_kept.Count < MostKept)
            _kept.Add(fault);
    }

    /// <summary>Adds a fault whose pointer is text only where it is kept.</summary>
    public void Add(JsonPointer pointer, string detail)
    {
        if (_kept.Count < MostKept)
            Add(new RequestFault(pointer.ToString(), detail));
        else
            Count++;
    }
}
