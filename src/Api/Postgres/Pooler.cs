using System.Data;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents what is known of a pooler, such as PgBouncer, between the gateway and a server. In session mode a client
/// keeps its session of the server. In transaction and statement mode clients share the server's sessions, and the
/// gateway does not work: what it sets, locks or prepares in a session would be another client's.
/// </summary>
internal sealed class Pooler
{
    private const string Backend = "SELECT pg_catalog.pg_backend_pid()";

    private const string End = "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())";

    private const string ServerAge =
        """
        SELECT pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) backend_start
          FROM pg_catalog.pg_stat_activity WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
        """;

    private volatile bool _isPresent;

    /// <summary>Gets or sets whether there is a pooler, as far as was seen.</summary>
    public bool IsPresent
    {
        get => _isPresent;
        set => _isPresent = value;
    }

    /// <summary>
    /// Returns whether a pooler refuses a start-up parameter, <c>options</c> or <c>search_path</c>. PgBouncer says 08P01
    /// and "unsupported startup parameter"; RDS Proxy says 0A000 and "command-line options", by its documentation.
    /// PostgreSQL itself says neither at the start of a session.
    /// </summary>
    public static bool RefusesOptions(PostgresException error) =>
        error.SqlState is PostgresErrorCodes.ProtocolViolation or PostgresErrorCodes.FeatureNotSupported
        && (error.MessageText.Contains("startup parameter", StringComparison.Ordinal)
            || error.MessageText.Contains("options", StringComparison.Ordinal));

    /// <summary>
    /// Returns whether the session of the server is older than the gateway's: then other clients of the pooler have
    /// used it, most likely the gateway for another caller. Cleaning does not undo all (docs/decisions/0014).
    /// </summary>
    /// <param name="connection">A session that has just been opened.</param>
    /// <param name="age">Returns the time since before it was opened.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static async Task<bool> WasUsedAsync(
        NpgsqlConnection connection, Func<TimeSpan> age, CancellationToken cancellation)
    {
        await using var find = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("BEGIN"),
                // The DSN's options may set a role, and only the session's own role sees when it began.
                new("SET LOCAL ROLE NONE"),
                new(ServerAge),
                new("COMMIT"),
            },
        };
        return await find.ExecuteScalarAsync(cancellation) is not TimeSpan serverAge || serverAge > age();
    }

    /// <summary>Ends the session of the server, so that no client gets it again.</summary>
    /// <exception cref="NpgsqlException">It could not be ended.</exception>
    public static async Task EndAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var end = new NpgsqlCommand(End, connection);
        try
        {
            await end.ExecuteNonQueryAsync(cancellation);
        }
        catch (NpgsqlException) when (connection.State != ConnectionState.Open)
        {
            return;
        }
        throw new NpgsqlException("The session of the server could not be ended.");
    }

    /// <summary>Finds out whether there is a pooler, and whether the gateway works behind it.</summary>
    /// <param name="source">Opens sessions through it, if there is one.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>A fault, as the end of a sentence; null if there is none.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached.</exception>
    public async Task<string?> FindFaultAsync(SessionSource source, CancellationToken cancellation)
    {
        await using var first = await source.OpenWithoutSqlAsync(cancellation);
        var backend = await FindBackendAsync(first, cancellation);
        // A pooler tells its clients process IDs of its own.
        if (!IsPresent && backend == first.ProcessID)
            return null;
        IsPresent = true;
        await using var second = await source.OpenBareAsync(cancellation);
        // Process IDs of different servers tell nothing.
        var isSameServer = (first.Host, first.Port) == (second.Host, second.Port);
        return isSameServer && await SharesSessionsAsync(first, backend, second, cancellation)
            ? "a pooler in transaction or statement mode stands before the server. Set pool_mode = session for the "
                + "gateway's roles, or connect to PostgreSQL itself (docs/poolers.md)"
            : source.FindSettingsFault();
    }

    /// <summary>
    /// Returns whether two sessions of the pooler have the same session of the server, or change it. While one of them
    /// is in a transaction, the other must get another one; after that, it most likely gets the first one again.
    /// </summary>
    private static async Task<bool> SharesSessionsAsync(
        NpgsqlConnection first, int backend, NpgsqlConnection second, CancellationToken cancellation)
    {
        var other = await FindBackendAsync(second, cancellation);
        if (other == backend)
            return true;
        try
        {
            await using (var transaction = await first.BeginTransactionAsync(cancellation))
            {
                if (await FindBackendAsync(first, cancellation) != backend
                    || await FindBackendAsync(second, cancellation) != other)
                {
                    return true;
                }
                await transaction.RollbackAsync(cancellation);
            }
            // Once and twice in a row, in case the pooler hands its sessions out in turns.
            foreach (var session in new[] { second, first, first, second })
            {
                if (await FindBackendAsync(session, cancellation) != (session == first ? backend : other))
                    return true;
            }
            return false;
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.ProtocolViolation)
        {
            // Statement mode takes no transactions.
            return true;
        }
    }

    private static async Task<int> FindBackendAsync(NpgsqlConnection session, CancellationToken cancellation)
    {
        await using var find = new NpgsqlCommand(Backend, session);
        return (int)(await find.ExecuteScalarAsync(cancellation))!;
    }
}
