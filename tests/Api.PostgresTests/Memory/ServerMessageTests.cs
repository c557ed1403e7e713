using System.Net;

namespace Gateway.Api.PostgresTests.Memory;

/// <summary>
/// Tests that an error or a notice of any size, which SQL can make PostgreSQL send, needs no extra memory, and ends no
/// session.
/// </summary>
public sealed class ServerMessageTests(GatewayFixture fixture)
{
    private const int Length = 20_000_000;

    /// <summary>A hundred million bytes take more than the default of 15 s on a slow machine that is busy.</summary>
    private const int LongMs = 50_000;

    [Theory]
    [InlineData("NOTICE")]
    [InlineData("WARNING")]
    public async Task LargeNotice_IsLeftOut(string level)
    {
        var client = fixture.Client;
        (await client.PostAsync("execute", AtLeastOnce($"DO $$ BEGIN RAISE {level} '%', repeat('x', {Length}); END $$"))).Expect(HttpStatusCode.OK);
        Assert.Equal(1, (await client.QueryValueAsync("SELECT 1")).GetInt32());
    }

    [Theory]
    [InlineData("RAISE EXCEPTION '%', repeat('ä', 20000000) USING ERRCODE = 'P0042'")]
    [InlineData("RAISE EXCEPTION 'short' USING DETAIL = repeat('x', 20000000), ERRCODE = 'P0042'")]
    [InlineData("RAISE EXCEPTION 'short' USING HINT = repeat('x', 20000000), ERRCODE = 'P0042'")]
    [InlineData("RAISE EXCEPTION 'short' USING TABLE = repeat('x', 20000000), ERRCODE = 'P0042'")]
    public async Task LargeError_IsTheErrorThatItWas(string raise)
    {
        await using var gateway = await fixture.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");
        var before = (await gateway.Client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();

        var problem = (await gateway.Client.PostAsync("execute", AtLeastOnce($"DO $$ BEGIN {raise}; END $$"))).ExpectProblem(422, "sql_error");

        Assert.Equal("P0042", problem.GetProperty("sqlState").GetString());
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(before, (await gateway.Client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32());
    }

    [Theory]
    [InlineData("exactly-once")]
    [InlineData("at-least-once")]
    public async Task LargeErrorAtCommit_IsNotCommitted(string delivery)
    {
        var table = $"large_at_commit_{delivery.Replace('-', '_')}";
        await fixture.ExecuteAsync(
            $"""
            CREATE TABLE {table} (a int);
            CREATE FUNCTION {table}() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE NOTICE '%', repeat('x', {Length}); RAISE EXCEPTION '%', repeat('x', {Length}); END $$;
            CREATE CONSTRAINT TRIGGER large AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {table}();
            """);

        var answer = await fixture.Client.PostAsync(
            "execute",
            new { activityId = table, sql = $"INSERT INTO {table} VALUES (1)", delivery, timeoutMs = LongMs });

        Assert.Equal("no", answer.ExpectProblem(422, "sql_error").GetProperty("committed").GetString());
        Assert.Equal(0, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    [Fact]
    public async Task LargeMessages_TakeNoMoreMemory()
    {
        const long Allowed = 64 << 20;
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = fixture.Dsn }, "--urls=http://127.0.0.1:0");
        using var client = new GatewayClient(gateway.Address);
        // A first request, for memory that is allocated once.
        await SendAsync(client, 1000);
        var before = gateway.PeakMemory;

        await SendAsync(client, 100_000_000);

        Assert.True(gateway.PeakMemory - before < Allowed, $"It grew from {before} to {gateway.PeakMemory} bytes.");
    }

    private static async Task SendAsync(GatewayClient client, int length)
    {
        foreach (var raise in new[] { "NOTICE '%', repeat('x', {0})", "EXCEPTION '%', repeat('x', {0})", "EXCEPTION 'x' USING DETAIL = repeat('x', {0})" })
        {
            var statement = $"DO $$ BEGIN RAISE {raise.Replace("{0}", length.ToString())}; END $$";
            var answer = await client.PostAsync("execute", AtLeastOnce(statement));
            answer.Expect(raise.StartsWith("NOTICE", StringComparison.Ordinal) ? HttpStatusCode.OK : HttpStatusCode.UnprocessableEntity);
        }
    }

    private static object AtLeastOnce(string sql) =>
        new { activityId = "large", sql, delivery = "at-least-once", timeoutMs = LongMs };
}
