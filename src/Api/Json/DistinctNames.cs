using System.Runtime.CompilerServices;

namespace Gateway.Api.Json;

/// <summary>
/// A set of names. Most objects have few members, and comparing few names is faster than hashing them.
/// </summary>
internal struct DistinctNames
{
    private const int Few = 8;

    private FewNames _few;
    private int _count;
    private HashSet<string>? _many;

    /// <summary>Adds a name. Returns false if the set already contains it.</summary>
    public bool Add(string name)
    {
        if (_many is not null)
            return _many.Add(name);
        if (_few[.._count].Contains(name))
            return false;
        if (_count < Few)
        {
            _few[_count++] = name;
            return true;
        }
        _many = new HashSet<string>(StringComparer.Ordinal);
        foreach (var known in _few)
            _many.Add(known);
        return _many.Add(name);
    }

    [InlineArray(Few)]
    private struct FewNames
    {
        private string _first;
    }
}
