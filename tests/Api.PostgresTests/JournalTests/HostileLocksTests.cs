using System.Net;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>Nobody's SQL keeps another's activity waiting, whatever it locks or waits for.</summary>
public sealed class HostileLocksTests(HostileDatabase database) : IClassFixture<HostileDatabase>
{
    private const string Records = "gateway_journal_records";

    /// <summary>
    /// A statement that waits for a lock, of a table that running activities write to, keeps those waiting that come after
    /// it; so none may come that far.
    /// </summary>
    [Theory]
    [InlineData($"CREATE TRIGGER t BEFORE INSERT ON {Records}.activity EXECUTE FUNCTION nothing()")]
    [InlineData($"CREATE RULE r AS ON INSERT TO {Records}.activity DO INSTEAD NOTHING")]
    [InlineData($"ALTER TABLE referring ADD FOREIGN KEY (a, b, c) REFERENCES {Records}.activity")]
    [InlineData($"CREATE TABLE t PARTITION OF {Records}.activity FOR VALUES IN ('a')")]
    [InlineData($"ALTER TABLE parted ATTACH PARTITION {Records}.activity FOR VALUES IN ('a')")]
    [InlineData($"ALTER INDEX {Records}.activity_pkey DEPENDS ON EXTENSION plpgsql")]
    [InlineData($"LOCK TABLE {Records}.activity")]
    [InlineData("SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000) g, pg_sleep(1)")]
    [InlineData("SELECT count(pg_advisory_lock((classid::bigint << 32) | objid::bigint)) FROM pg_locks, pg_sleep(1) WHERE locktype = 'advisory'")]
    [InlineData("DO $$ BEGIN LOCK TABLE effects, attempts, bait; PERFORM pg_sleep(1); END $$")]
    public async Task WhileAStatementLocksWhatItCan_AnotherActivityIsClaimed(string sql)
    {
        var id = Guid.NewGuid().ToString("N");
        var running = database.ExecuteAsync($"{id}/running", "SELECT pg_sleep(1.2)");
        await Task.Delay(200);
        var attack = database.ExecuteAsync(null, sql);
        await Task.Delay(200);

        var claimed = await database.ExecuteAsync($"{id}/claimed", "SELECT 1");

        claimed.Expect(HttpStatusCode.OK);
        Assert.False(running.IsCompleted, "Nothing was running any more that the attack could have waited for.");
        (await running).Expect(HttpStatusCode.OK);
        await attack;
    }

    [Fact]
    public async Task InstalledAgainWhileAnActivityRuns_NeitherWaitsForTheOther()
    {
        var running = database.ExecuteAsync("installed-again", "SELECT pg_sleep(2)");
        await Task.Delay(200);

        await GatewayFixture.InstallJournalAsync(database.AdminDsn, database.Role);

        Assert.False(running.IsCompleted, "The installation waited for what ran.");
        (await database.ExecuteAsync($"{Guid.NewGuid():N}", "SELECT 1")).Expect(HttpStatusCode.OK);
        (await running).Expect(HttpStatusCode.OK);
    }
}
