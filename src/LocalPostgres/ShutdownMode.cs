namespace Gateway.LocalPostgres;

/// <summary>PostgreSQL's own words for how a server ends.</summary>
public enum ShutdownMode
{
    /// <summary>Rolls back what is open, disconnects everyone, writes a checkpoint.</summary>
    Fast,

    /// <summary>Stops as in a crash: the next start recovers from the write-ahead log.</summary>
    Immediate,
}
