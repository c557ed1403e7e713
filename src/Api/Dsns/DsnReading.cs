namespace Gateway.Api.Dsns;

/// <summary>One key and value, with where they stand: <c>At</c> is the key's offset, a quoted value's is <c>QuotedFrom</c>
/// to <c>QuotedTo</c> (exclusive; both -1 if it is bare).</summary>
internal sealed record DsnSetting(string Key, string Value, int At, int QuotedFrom = -1, int QuotedTo = -1)
{
    public bool IsQuoted => QuotedFrom >= 0;
}

/// <summary>
/// A DSN as one grammar splits it, up to its first fault, which shows no part of the DSN but known keys. Separator is
/// where the first thing stands that this grammar takes for an end and the other doesn't.
/// </summary>
internal sealed record DsnReading(IReadOnlyList<DsnSetting> Settings, int? Separator, string? Fault)
{
    public bool Quotes(int offset) => Settings.Any(s => s.QuotedFrom < offset && offset < s.QuotedTo);

    /// <summary>The settings; a fault goes to <paramref name="faults"/>, with the forms if nothing could be read at all.</summary>
    public IReadOnlyList<DsnSetting> OrFaults(List<string> faults, string forms)
    {
        if (Fault is not null)
            faults.Add(Settings.Count == 0 ? $"The DSN is none of the forms that are read; {forms}." : Fault);
        return Settings;
    }
}
