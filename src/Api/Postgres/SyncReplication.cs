namespace Gateway.Api.Postgres;

/// <summary>
/// Recognises a COMMIT that waits for a synchronous standby. It must not be cancelled or terminated: PostgreSQL then
/// ends the wait and keeps the transaction, on this server only. Its effect and its record become visible, would be
/// answered as committed, and are lost if a standby replaces the server.
/// </summary>
internal static class SyncReplication
{
    /// <summary>SQL expression on a row of <c>pg_stat_activity</c>: whether the backend waits for a standby.</summary>
    public const string IsAwaited = "(coalesce(wait_event, '') OPERATOR(pg_catalog.=) 'SyncRep')";
}
