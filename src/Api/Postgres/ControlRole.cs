using Gateway.Api.Dsns;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Checks the rights of a connection's control role (docs/database-roles.md), and ends old transactions of the callers'
/// role in the control role's sessions.
/// </summary>
internal static class ControlRole
{
    /// <summary>
    /// SQL expression: whether the control role has the rights of the role that callers' SQL runs as. It needs them to
    /// see and end that role's sessions.
    /// </summary>
    public const string SeesRole = "pg_catalog.pg_has_role(session_user, $1, 'USAGE')";

    private const string Place =
        "SELECT pg_catalog.current_database()::pg_catalog.text, (pg_catalog.pg_control_system()).system_identifier";

    private const string Check =
        $"""
        SELECT {SeesRole}, NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, session_user, 'MEMBER'), session_user::pg_catalog.text
          FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) $1
        """;

    private const string EndOld =
        $"""
        SELECT count(pg_catalog.pg_terminate_backend(pid))
          FROM pg_catalog.pg_stat_activity
         WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND usename OPERATOR(pg_catalog.=) $1
           AND backend_type OPERATOR(pg_catalog.=) 'client backend'
           AND pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) xact_start OPERATOR(pg_catalog.>) $2
           AND NOT {SyncReplication.IsAwaited}
        """;

    /// <summary>
    /// Ends the sessions of a role whose transactions are older than a limit, at one host of several.
    /// </summary>
    /// <returns>The number of sessions.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached.</exception>
    public static async Task<long> EndTransactionsAsync(
        SessionSource control, string role, TimeSpan oldest, DsnHost? host, CancellationToken cancellation)
    {
        await using var session = await control.OpenConnectionAsync(host, cancellation);
        await using var end = new NpgsqlCommand(EndOld, session);
        end.Parameters.Add(new NpgsqlParameter<string> { TypedValue = role });
        end.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = oldest });
        return (long)(await end.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>Finds a fault of the control role.</summary>
    /// <param name="control">The control role's sessions.</param>
    /// <param name="own">Sessions of the role that callers' SQL runs as.</param>
    /// <param name="role">The name of that role.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>A sentence with the fault and its fix; null if there is no fault.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached.</exception>
    public static async Task<string?> FindFaultAsync(
        SessionSource control, SessionSource own, string role, CancellationToken cancellation)
    {
        if (await ReadPlaceAsync(control, cancellation) != await ReadPlaceAsync(own, cancellation))
            return "it leads to another database than the connection's DSN; both must name the same one.";

        await using var session = await control.OpenConnectionAsync(cancellation);
        await using var check = new NpgsqlCommand(Check, session);
        check.Parameters.Add(new NpgsqlParameter<string> { TypedValue = role });
        await using var reader = await check.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        var controlRole = reader.GetString(2);
        if (reader.GetBoolean(1))
        {
            return $"role \"{role}\" is a member of it, so callers' SQL could become it: "
                + $"REVOKE \"{controlRole}\" FROM \"{role}\".";
        }
        return reader.GetBoolean(0)
            ? null
            : $"it can't see and end the sessions of role \"{role}\": "
                + $"run journal install, or GRANT \"{role}\" TO \"{controlRole}\".";
    }

    private static async Task<(string, long)> ReadPlaceAsync(SessionSource source, CancellationToken cancellation)
    {
        await using var session = await source.OpenConnectionAsync(cancellation);
        await using var place = new NpgsqlCommand(Place, session);
        await using var reader = await place.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return (reader.GetString(0), reader.GetInt64(1));
    }
}
