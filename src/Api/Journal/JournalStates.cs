namespace Gateway.Api.Journal;

/// <summary>Names and groups the states of a journal.</summary>
internal static class JournalStates
{
    /// <summary>Returns the state's name in readiness and the log.</summary>
    public static string Name(this JournalState state) => state switch
    {
        JournalState.Open => "ok",
        JournalState.Newer => "newer",
        JournalState.Missing => "missing",
        JournalState.Outdated => "outdated",
        JournalState.Incompatible => "incompatible",
        JournalState.Closed => "closed",
        JournalState.OnStandby => "standby",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    /// <summary>Returns whether exactly-once writes work.</summary>
    public static bool IsUsable(this JournalState state) => state is JournalState.Open or JournalState.Newer;
}
