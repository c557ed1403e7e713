using System.Runtime.CompilerServices;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// One session on the server, held by one request at a time. What a request leaves in it is thrown away as soon as its
/// transaction has ended, not before the next use: a lock that is kept until somebody comes along is a lock too long.
/// </summary>
internal sealed class Session(NpgsqlConnection connection) : IAsyncDisposable
{
    /// <summary>How long a session may take to become clean; past it, closing is quicker.</summary>
    private static readonly TimeSpan CleaningTime = TimeSpan.FromMilliseconds(400);

    private NpgsqlBatch? _running;
    private bool _distrusted;

    private const string Discard = "DISCARD ALL";

    /// <summary>Whether an earlier request ran in it: its server may have closed it since.</summary>
    public bool Used { get; private set; }

    /// <summary>Whether nothing is left in it, so that the next request may have it.</summary>
    public bool Clean { get; private set; } = true;

    /// <summary>
    /// Sends the statements in one round trip. All their results come as text, which PostgreSQL has for every type,
    /// those that were created after the gateway connected included.
    /// </summary>
    /// <param name="commands">The statements, in order; the first that fails ends the rest.</param>
    /// <param name="cancellation">Cancels on the server too.</param>
    public async Task<NpgsqlDataReader> ExecuteAsync(
        NpgsqlBatchCommand[] commands, CancellationToken cancellation)
    {
        Clean = false;
        Used = true;
        _running = new NpgsqlBatch(connection);
        AskForText(_running, true);
        foreach (var command in commands)
            _running.BatchCommands.Add(command);
        return await _running.ExecuteReaderAsync(cancellation);
    }

    /// <summary>Ends the running statement on the server, so that closing its reader has nothing left to read.</summary>
    public async Task CancelAsync(NpgsqlDataReader reader)
    {
        Distrust();
        // Npgsql sends a cancel by a connection of its own, and blocks meanwhile.
        await Task.Run(_running!.Cancel);
        try
        {
            await reader.DisposeAsync();
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.QueryCanceled)
        {
            // As asked.
        }
    }

    /// <summary>
    /// A cancel was sent: it may arrive late, and must not hit another request's statement, so the session is closed
    /// rather than cleaned.
    /// </summary>
    public void Distrust() => _distrusted = true;

    /// <summary>Commits, and throws away what the request left, in one round trip.</summary>
    /// <returns>Only once PostgreSQL has said that it committed.</returns>
    /// <exception cref="PostgresException">PostgreSQL refused to commit, and rolled back.</exception>
    /// <exception cref="CommitInDoubtException">No answer to COMMIT came.</exception>
    public async Task CommitAsync(CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection);
        // Each has a Sync of its own: DISCARD ALL does not run within a pipeline's implicit transaction.
        var commit = new NpgsqlBatchCommand("COMMIT") { AppendErrorBarrier = true };
        var discard = new NpgsqlBatchCommand(Discard) { AppendErrorBarrier = true };
        batch.BatchCommands.Add(commit);
        batch.BatchCommands.Add(discard);
        try
        {
            await batch.ExecuteNonQueryAsync(cancellation);
            Clean = true;
        }
        catch (PostgresException error) when (error.BatchCommand == commit)
        {
            throw;
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            // The tag of COMMIT is here if it came at all; then only the cleaning failed, and the session is closed.
            if (commit.StatementType == StatementType.Unknown)
                throw new CommitInDoubtException(error);
        }
    }

    /// <summary>Ends the transaction without effect and throws away what the request left.</summary>
    public async Task RollBackAsync()
    {
        if (Clean || _distrusted || connection.State != System.Data.ConnectionState.Open)
            return;
        using var limit = new CancellationTokenSource(CleaningTime);
        try
        {
            await using var batch = new NpgsqlBatch(connection);
            batch.BatchCommands.Add(new NpgsqlBatchCommand("ROLLBACK") { AppendErrorBarrier = true });
            batch.BatchCommands.Add(new NpgsqlBatchCommand(Discard) { AppendErrorBarrier = true });
            await batch.ExecuteNonQueryAsync(limit.Token);
            Clean = true;
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            // It stays unclean, so it is closed: PostgreSQL rolls back what is left.
        }
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    /// <summary>
    /// Npgsql has it in public on a command, where one statement goes at a time, and not on a batch, which saves the
    /// round trip of BEGIN (docs/decisions/0002).
    /// </summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_AllResultTypesAreUnknown")]
    private static extern void AskForText(NpgsqlBatch batch, bool value);
}

/// <summary>COMMIT was sent and no answer came: the effect may have been kept or not.</summary>
internal sealed class CommitInDoubtException(Exception cause)
    : Exception("The answer to COMMIT was lost.", cause);
