using Dapper;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Journal;

/// <summary>
/// Represents an open transaction of the role that callers' SQL runs as. While a transaction runs an activity, its
/// session is tagged with it.
/// </summary>
/// <param name="Backend">The session.</param>
/// <param name="Tag">The session's <c>application_name</c>. Callers' SQL can change it.</param>
/// <param name="Since">When the transaction began. With the process ID, it identifies the transaction.</param>
internal sealed record OpenTransaction(Backend Backend, string Tag, DateTime Since)
{
    /// <summary>
    /// Selects the transactions, and the sessions of the control role that announce a cancel; the last column but one
    /// tells them apart. All names and operators here are qualified: an operator in the schema public could match
    /// better, and would run a caller's SQL in a session of the control role.
    /// </summary>
    private const string Select =
        $"""
        SELECT pid, client_port, application_name, xact_start, pg_catalog.clock_timestamp(),
               usename OPERATOR(pg_catalog.=) session_user
               AND pg_catalog.starts_with(application_name, '{ActivityIdentity.CancelPrefix}'),
               backend_xid IS NOT NULL
          FROM pg_catalog.pg_stat_activity
         WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND client_port IS NOT NULL
           AND ((usename OPERATOR(pg_catalog.=) $1 AND xact_start IS NOT NULL)
                OR (usename OPERATOR(pg_catalog.=) session_user
                    AND pg_catalog.starts_with(application_name, '{ActivityIdentity.CancelPrefix}')))
        """;

    /// <summary>Gets how long the transaction has been open, by the server's clock.</summary>
    public required TimeSpan Age { get; init; }

    /// <summary>
    /// Gets whether the transaction has written: one that has claimed an activity has, and a read has not.
    /// </summary>
    public required bool HasWritten { get; init; }

    /// <summary>Reads all open transactions of a role in the session's database, and the announced cancels.</summary>
    /// <param name="session">A session of the control role.</param>
    /// <param name="role">The role that callers' SQL runs as.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The transactions, and the names of the cancels (<see cref="ActivityIdentity.CancelName"/>).</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the gateway.</exception>
    public static async Task<(IReadOnlyList<OpenTransaction> Open, IReadOnlySet<string> Cancels)> ReadAsync(
        NpgsqlConnection session, string role, CancellationToken cancellation)
    {
        var rows = await session.QueryAsync<(int, int, string, DateTime?, DateTime, bool, bool)>(
            FixedStatement.Of(Select, cancellation, role));
        var open = new List<OpenTransaction>();
        var cancels = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (processId, port, name, since, now, isCancel, hasWritten) in rows)
        {
            if (isCancel)
                cancels.Add(name);
            else if (since is { } begun)
            {
                var backend = new Backend(processId, port == Backend.UnixSocket ? null : port);
                open.Add(new OpenTransaction(backend, name, begun) { Age = now - begun, HasWritten = hasWritten });
            }
        }
        return (open, cancels);
    }

    /// <summary>Returns whether the transaction runs the activity.</summary>
    /// <param name="activity">The activity.</param>
    /// <param name="keys">The keys that the tag may have been made with; none if there is no journal.</param>
    public bool Runs(ActivityIdentity activity, IReadOnlyList<CodeKey> keys) => activity.IsTaggedBy(Tag, keys, Backend);
}
