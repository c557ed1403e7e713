namespace Gateway.Api.Dsns;

/// <summary>Represents a key and its value, with their positions.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
/// <param name="At">The key's offset.</param>
/// <param name="QuotedFrom">The offset of a quoted value; -1 if the value is not quoted.</param>
/// <param name="QuotedTo">The end of a quoted value, exclusive; -1 if the value is not quoted.</param>
internal sealed record DsnSetting(string Key, string Value, int At, int QuotedFrom = -1, int QuotedTo = -1)
{
    public bool IsQuoted => QuotedFrom >= 0;
}

/// <summary>Represents a DSN as one grammar splits it, up to its first fault.</summary>
/// <param name="Settings">The settings before the fault.</param>
/// <param name="Separator">
/// The offset of the first text that this grammar takes for the end of a setting, and the other grammar does not.
/// </param>
/// <param name="Fault">The fault. It shows no part of the DSN except known keys.</param>
internal sealed record DsnReading(IReadOnlyList<DsnSetting> Settings, int? Separator, string? Fault)
{
    public bool Quotes(int offset) => Settings.Any(s => s.QuotedFrom < offset && offset < s.QuotedTo);

    /// <summary>
    /// Returns the settings, and adds the fault to <paramref name="faults"/>; if nothing could be read, with the list
    /// of forms.
    /// </summary>
    public IReadOnlyList<DsnSetting> OrFaults(List<string> faults, string forms)
    {
        if (Fault is not null)
            faults.Add(Settings.Count == 0 ? $"The DSN has none of the supported forms; {forms}." : Fault);
        return Settings;
    }
}
