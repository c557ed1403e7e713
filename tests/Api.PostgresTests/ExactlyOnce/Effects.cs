using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>A database whose table <c>effect</c> has a row for each time that an activity took effect.</summary>
internal sealed class Effects : IAsyncDisposable
{
    /// <summary>
    /// Takes the activity's ID. The clock tells a replayed answer from one that was made anew, and the sequence can be
    /// seen from outside of the transaction.
    /// </summary>
    public const string Insert = "INSERT INTO effect SELECT $1, nextval('run') RETURNING activity, run, clock_timestamp()";

    private const string Schema = """
        CREATE TABLE effect (activity text NOT NULL, run bigint NOT NULL);
        CREATE SEQUENCE run;
        """;

    private readonly Backends _backends;

    private Effects(string dsn, Backends backends) => (Dsn, _backends) = (dsn, backends);

    public string Dsn { get; }

    public static async Task<Effects> CreateAsync(GatewayFixture fixture)
    {
        var dsn = await fixture.CreateDatabaseAsync();
        await GatewayFixture.ExecuteAsync(dsn, Schema);
        return new Effects(dsn, await Backends.WatchAsync(dsn));
    }

    /// <summary>Has COMMIT take that long where there is an effect.</summary>
    public Task DelayCommitAsync(double seconds) => _backends.ExecuteAsync($$"""
        CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep({{seconds}}); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION linger();
        """);

    /// <summary>How many effects of the activity are committed.</summary>
    public Task<long> CountAsync(Activity activity) =>
        _backends.ReadAsync<long>($"SELECT count(*) FROM effect WHERE activity = '{activity.Id}'");

    /// <summary>How often the statement has run, whatever became of it.</summary>
    public Task<long> RunsAsync() => _backends.ReadAsync<long>("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM run");

    /// <summary>Waits until a session of this database waits for that, as the server calls it.</summary>
    /// <param name="waitEvent">Such as <c>ClientRead</c>, for the client's next message.</param>
    /// <param name="condition">What must be true of the session besides.</param>
    public async Task UntilWaitingAsync(string waitEvent, string condition = "true")
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!await _backends.ReadAsync<bool>(
            $"SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = '{waitEvent}' AND {condition}"))
        {
            await Task.Delay(5, limit.Token);
        }
    }

    public ValueTask DisposeAsync() => _backends.DisposeAsync();
}
