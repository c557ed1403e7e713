namespace Gateway.Api.Errors;

/// <summary>
/// Represents the position of a member or an element in the request (RFC 6901). Its text is only made for a fault.
/// </summary>
/// <param name="Parent">The pointer to the object or array around it.</param>
/// <param name="Name">The member's name, or the element's index.</param>
internal readonly record struct JsonPointer(string Parent, string Name)
{
    /// <summary>
    /// The maximum length of a name, in characters. A longer name is cut, since it is part of the pointers of
    /// everything below it.
    /// </summary>
    private const int LongestName = 300;

    public override string ToString() => $"{Parent}/{Escape(Name)}";

    /// <summary>Returns a member's name as a reference token.</summary>
    public static string Escape(string name)
    {
        // Does not cut a surrogate pair.
        var cutsPair = name.Length > LongestName && char.IsHighSurrogate(name[LongestName - 1]);
        var end = cutsPair ? LongestName - 1 : LongestName;
        var shown = name.Length > LongestName ? $"{name.AsSpan(0, end)}…" : name;
        return shown.Replace("~", "~0").Replace("/", "~1");
    }
}
