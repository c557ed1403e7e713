namespace Gateway.Api.Errors;

/// <summary>Where a member or an element is in the request (RFC 6901): text only where there is a fault to tell of.</summary>
/// <param name="Parent">The pointer to what it is in.</param>
/// <param name="Name">The member's name, or the element's index.</param>
internal readonly record struct JsonPointer(string Parent, string Name)
{
    /// <summary>A longer one is cut: it may be in the pointers of all that is below it.</summary>
    private const int LongestName = 300;

    public override string ToString() => $"{Parent}/{Escape(Name)}";

    /// <summary>A member's name as a reference token.</summary>
    public static string Escape(string name)
    {
        // Never between the two halves of a surrogate pair.
        var end = name.Length > LongestName && char.IsHighSurrogate(name[LongestName - 1]) ? LongestName - 1 : LongestName;
        var shown = name.Length > LongestName ? $"{name.AsSpan(0, end)}…" : name;
        return shown.Replace("~", "~0").Replace("/", "~1");
    }
}
