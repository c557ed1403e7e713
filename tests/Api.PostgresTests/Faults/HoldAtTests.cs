using Npgsql;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>
/// Tests that a connection is held at the right boundary. The journal is a fake, whose functions draw from sequences:
/// those are visible outside of an open transaction.
/// </summary>
public sealed class HoldAtTests(GatewayFixture fixture)
{
    private const string Schema = """
        CREATE SCHEMA gateway_journal;
        CREATE SEQUENCE claimed;
        CREATE SEQUENCE run;
        CREATE SEQUENCE recorded;
        CREATE TABLE effect (n bigint);
        CREATE FUNCTION gateway_journal.claim() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('claimed') $$;
        CREATE FUNCTION gateway_journal.finish() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('recorded') $$;
        """;

    private const string Reached = """
        SELECT (SELECT is_called::int FROM claimed) || '' || (SELECT is_called::int FROM run)
            || (SELECT is_called::int FROM recorded) || (SELECT count(*) FROM effect)
        """;

    [Theory]
    [InlineData(Boundary.Claimed, "1000")]
    [InlineData(Boundary.StatementRun, "1100")]
    [InlineData(Boundary.Recorded, "1110")]
    [InlineData(Boundary.CommitSent, "1111")]
    [InlineData(Boundary.CommitDone, "1111")]
    public async Task Held_TheServerIsAtTheBoundaryAndStaysWhereTheRestIsDropped(Boundary boundary, string held)
    {
        var dsn = await PrepareAsync();
        await using var proxy = FaultProxy.Start(dsn);
        await using var connection = await GatewayFixture.OpenAsync(proxy.Dsn);
        var hold = new HoldAt(boundary);
        proxy.SetExisting(hold);

        var commit = new NpgsqlBatchCommand("COMMIT") { AppendErrorBarrier = true };
        var running = RunAsync(connection, commit);
        await hold.ReachedAsync();
        await UntilAsync(dsn, held);
        await Task.Delay(50);
        Assert.Equal(held, await ReadAsync(dsn));
        Assert.False(running.IsCompleted);

        hold.Drop();
        await Assert.ThrowsAsync<NpgsqlException>(() => running);
        await UntilGoneAsync(dsn);
        Assert.Equal(held, await ReadAsync(dsn));
        // Only at the last boundary the answer to COMMIT is forwarded.
        Assert.Equal(boundary == Boundary.CommitDone, commit.StatementType != StatementType.Unknown);
    }

    [Theory]
    [InlineData(Boundary.Claimed)]
    [InlineData(Boundary.StatementRun)]
    [InlineData(Boundary.Recorded)]
    [InlineData(Boundary.CommitSent)]
    [InlineData(Boundary.CommitDone)]
    public async Task Released_GoesOnAsIfNothingHadBeen(Boundary boundary)
    {
        var dsn = await PrepareAsync();
        await using var proxy = FaultProxy.Start(dsn);
        await using var connection = await GatewayFixture.OpenAsync(proxy.Dsn);
        var hold = new HoldAt(boundary);
        proxy.SetExisting(hold);

        var running = RunAsync(connection, new NpgsqlBatchCommand("COMMIT") { AppendErrorBarrier = true });
        await hold.ReachedAsync();
        hold.Release();
        await running;

        Assert.Equal("1111", await ReadAsync(dsn));
    }

    private async Task<string> PrepareAsync()
    {
        var dsn = await fixture.CreateDatabaseWithoutJournalAsync();
        await GatewayFixture.ExecuteAsync(dsn, Schema);
        return dsn;
    }

    /// <summary>The two round trips of an activity.</summary>
    private static async Task RunAsync(NpgsqlConnection connection, NpgsqlBatchCommand commit)
    {
        await using var first = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("BEGIN"),
                new("SELECT gateway_journal.claim()"),
                new("INSERT INTO effect VALUES (nextval('run')) RETURNING n"),
            },
        };
        await first.ExecuteNonQueryAsync();
        await using var second = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("SELECT gateway_journal.finish()"),
                commit,
                new("DISCARD ALL") { AppendErrorBarrier = true },
            },
        };
        await second.ExecuteNonQueryAsync();
    }

    private static Task<string> UntilAsync(string dsn, string reached) =>
        Poll.ReadAsync(() => ReadAsync(dsn), now => now == reached);

    /// <summary>Waits until the server has noticed that the connection is closed.</summary>
    private static async Task UntilGoneAsync(string dsn)
    {
        await using var backends = await Backends.WatchAsync(dsn);
        await Poll.ReadAsync(
            () => backends.ReadAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"),
            sessions => sessions <= 1);
    }

    private static async Task<string> ReadAsync(string dsn)
    {
        await using var backends = await Backends.WatchAsync(dsn);
        return await backends.ReadAsync<string>(Reached);
    }
}
