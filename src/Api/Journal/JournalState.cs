namespace Gateway.Api.Journal;

/// <summary>The state of a connection's journal.</summary>
internal enum JournalState
{
    /// <summary>The connection can use it.</summary>
    Open,

    /// <summary>The connection can use it, and it is of a later version than this gateway installs.</summary>
    Newer,

    /// <summary>The database has no journal.</summary>
    Missing,

    /// <summary>The journal is of an earlier version.</summary>
    Outdated,

    /// <summary>The journal is of a later version, which this gateway can't use.</summary>
    Incompatible,

    /// <summary>The connection may not use the journal, neither with a control role nor with a journal key.</summary>
    Closed,

    /// <summary>The server is a standby: records can be found there, and none can be made.</summary>
    OnStandby,
}

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
