namespace Gateway.LocalPostgres;

/// <summary>PostgreSQL's shutdown modes.</summary>
public enum ShutdownMode
{
    /// <summary>Rolls back open transactions, disconnects all clients, and writes a checkpoint.</summary>
    Fast,

    /// <summary>Stops as in a crash; the next start recovers from the write-ahead log.</summary>
    Immediate,
}
