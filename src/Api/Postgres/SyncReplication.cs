namespace Gateway.Api.Postgres;

/// <summary>
/// Recognises a COMMIT that waits for a synchronous standby, and makes one wait. Such a COMMIT must not be cancelled or
/// terminated: PostgreSQL then ends the wait and keeps the transaction, on this server only. Its effect and its record
/// become visible, would be answered as committed, and are lost if a standby replaces the server.
/// </summary>
internal static class SyncReplication
{
    /// <summary>SQL expression on a row of <c>pg_stat_activity</c>: whether the backend waits for a standby.</summary>
    public const string IsAwaited = "(coalesce(wait_event, '') OPERATOR(pg_catalog.=) 'SyncRep')";

    /// <summary>
    /// Runs the transaction's deferred triggers. Those of constraints fail here as they would at COMMIT.
    /// </summary>
    public const string RunTriggers = "SET CONSTRAINTS ALL IMMEDIATE";

    /// <summary>
    /// Makes COMMIT wait for a synchronous standby, whatever the SQL or the role has set. Fails with 22023, by a value
    /// that the setting does not have, if the server waits for none.
    /// </summary>
    public const string Require =
        """
        SELECT pg_catalog.set_config('synchronous_commit',
            CASE WHEN pg_catalog.current_setting('synchronous_standby_names') OPERATOR(pg_catalog.=) ''
                 THEN 'no synchronous standby'
                 WHEN pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'remote_apply'
                 THEN 'remote_apply' ELSE 'on' END, true)
        """;
}
