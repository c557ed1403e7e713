using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents a server's position in the write-ahead log. A server that has replayed it has everything that was
/// committed before.
/// </summary>
/// <param name="Lsn">The log sequence number, as text.</param>
/// <param name="Timeline">
/// The timeline of the primary, as text. Each promotion begins a new one, which may lack what the old one had. Null for
/// a standby.
/// </param>
internal sealed record ServerPosition(string Lsn, string? Timeline)
{
    /// <summary>
    /// Reads the position of a primary up to which its log is on disk. It is at or after each commit that was
    /// confirmed, unless <c>synchronous_commit</c> was off.
    /// </summary>
    public const string SelectOfPrimary =
        $"SELECT pg_catalog.pg_current_wal_flush_lsn()::pg_catalog.text, {TimelineOfPrimary}";

    /// <summary>
    /// As <see cref="SelectOfPrimary"/>, and the position that includes what is not on disk yet, in a third column.
    /// </summary>
    public const string SelectWithInserted =
        $"{SelectOfPrimary}, pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text";

    /// <summary>Reads the position of any server; of a standby, what it has replayed.</summary>
    public const string Select =
        $"""
        SELECT (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                     ELSE pg_catalog.pg_current_wal_flush_lsn() END)::pg_catalog.text,
               CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN {TimelineOfPrimary} END
        """;

    /// <summary>Expression for the timeline of a primary. It fails on a standby.</summary>
    public const string TimelineOfPrimary =
        "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_flush_lsn()), 1, 8)";

    /// <summary>The functions that the position is read by.</summary>
    private static readonly string[] Functions =
    [
        "pg_catalog.pg_current_wal_flush_lsn()", "pg_catalog.pg_current_wal_insert_lsn()",
        "pg_catalog.pg_walfile_name(pg_catalog.pg_lsn)",
    ];

    /// <summary>Returns an expression for whether a role may read the position of a primary.</summary>
    /// <param name="role">An expression for the role's name.</param>
    public static string MayRead(string role) => "(" + string.Join(" AND ", Functions.Select(function =>
        // Null if there is no such function.
        $"coalesce(pg_catalog.has_function_privilege({role}, "
        + $"pg_catalog.to_regprocedure('{function}'), 'EXECUTE'), false)"))
        + ")";

    /// <summary>Reads the row of a position. Returns null if the server has none yet.</summary>
    /// <param name="reader">The reader, before the row.</param>
    /// <param name="isInserted">Whether to return the position of the third column.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static async Task<ServerPosition?> ReadAsync(
        NpgsqlDataReader reader, bool isInserted, CancellationToken cancellation)
    {
        if (!await reader.ReadAsync(cancellation) || await reader.IsDBNullAsync(0, cancellation))
            return null;
        var lsn = reader.GetString(0);
        var timeline = await reader.IsDBNullAsync(1, cancellation) ? null : reader.GetString(1);
        return new ServerPosition(isInserted ? reader.GetString(2) : lsn, timeline);
    }

    /// <summary>
    /// Returns whether the error means that the server has no position, or that the role may not read it. Some services
    /// that speak PostgreSQL's protocol have none.
    /// </summary>
    public static bool IsMissing(PostgresException error) => error.SqlState is PostgresErrorCodes.FeatureNotSupported
        or PostgresErrorCodes.ObjectNotInPrerequisiteState or PostgresErrorCodes.UndefinedFunction
        or PostgresErrorCodes.InsufficientPrivilege;
}
