using System.Net;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>Tests that no SQL can block another caller's activity, whatever it locks or waits for.</summary>
public sealed class HostileLocksTests(HostileDatabase database) : IClassFixture<HostileDatabase>
{
    private const string Records = "gateway_journal_records";

    /// <summary>
    /// A statement that waits for a lock on a table that running activities write to blocks all later activities. So no
    /// caller's statement may get that far.
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
        await using var turnstile = await Turnstile.CloseAsync(database.AdminDsn);
        var running = database.ExecuteAsync($"{id}/running", $"SELECT 1 FROM {turnstile.Pass}");
        await turnstile.HoldsAsync(1);
        var attack = database.ExecuteAsync(null, sql);
        await UntilItWaitsAsync(attack, sql);

        var claimed = await database.ExecuteAsync($"{id}/claimed", "SELECT 1");

        claimed.Expect(HttpStatusCode.OK);
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
        await attack;
    }

    [Fact]
    public async Task InstalledAgainWhileAnActivityRuns_NeitherWaitsForTheOther()
    {
        await using var turnstile = await Turnstile.CloseAsync(database.AdminDsn);
        var running = database.ExecuteAsync("installed-again", $"SELECT 1 FROM {turnstile.Pass}");
        await turnstile.HoldsAsync(1);

        await database.InstallJournalAsync().WaitAsync(TimeSpan.FromSeconds(20));

        (await database.ExecuteAsync($"{Guid.NewGuid():N}", "SELECT 1")).Expect(HttpStatusCode.OK);
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
    }

    /// <summary>Returns when the attack waits for a lock, or sleeps while it holds one, or was refused.</summary>
    private Task UntilItWaitsAsync(Task attack, string sql) => Poll.UntilAsync(
        async () => attack.IsCompleted || await database.ReadAsync<bool>(
            $"""
            SELECT count(*) > 0 FROM pg_stat_activity
            WHERE datname = current_database() AND query = $attack${sql}$attack$ AND wait_event_type IN ('Lock', 'Timeout')
            """),
        what: $"this waits: {sql}");
}
