using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>A database whose table <c>effect</c> gets a row each time an activity takes effect.</summary>
internal sealed class Effects : IAsyncDisposable
{
    /// <summary>
    /// Takes the activity ID as its parameter. The clock distinguishes a replayed answer from a new one, and the
    /// sequence is visible outside of the transaction.
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

    /// <summary>Makes COMMIT take the given time if there is an effect.</summary>
    public Task DelayCommitAsync(double seconds) => _backends.ExecuteAsync($$"""
        CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep({{seconds}}); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION linger();
        """);

    /// <summary>Returns the number of committed effects of an activity.</summary>
    public Task<long> CountAsync(Activity activity) =>
        _backends.ReadAsync<long>($"SELECT count(*) FROM effect WHERE activity = '{activity.Id}'");

    /// <summary>Returns the number of runs of the statement, with any outcome.</summary>
    public Task<long> RunsAsync() => _backends.ReadAsync<long>("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM run");

    /// <summary>Waits until a session of this database waits for an event, by the server's name for it.</summary>
    /// <param name="waitEvent">Such as <c>ClientRead</c>, for the client's next message.</param>
    /// <param name="condition">An additional condition on the session.</param>
    public Task UntilWaitingAsync(string waitEvent, string condition = "true") => Poll.UntilAsync(
        () => _backends.ReadAsync<bool>(
            "SELECT count(*) > 0 FROM pg_stat_activity "
            + $"WHERE datname = current_database() AND wait_event = '{waitEvent}' AND {condition}"),
        what: $"a session waits for {waitEvent}, and {condition}");

    public ValueTask DisposeAsync() => _backends.DisposeAsync();
}
