using System.Text.Json;

namespace Gateway.Api.PostgresTests;

public sealed class SqlErrorTests(GatewayFixture gateway)
{
    [Theory]
    [InlineData("SELECT * FROM nowhere", "sql_error", 422, "42P01")]
    [InlineData("SELEC 1", "sql_error", 422, "42601")]
    [InlineData("SELECT 1/0", "sql_error", 422, "22012")]
    [InlineData("SELECT 'x'::int", "sql_error", 422, "22P02")]
    [InlineData("DO $$ BEGIN COMMIT; END $$", "sql_error", 422, "2D000")]
    [InlineData("VACUUM", "sql_error", 422, "25001")]
    [InlineData("DO $$ BEGIN RAISE EXCEPTION 'no'; END $$", "sql_error", 422, "P0001")]
    [InlineData("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$", "conflict", 503, "40001")]
    [InlineData("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$", "conflict", 503, "40P01")]
    [InlineData("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '55P03'; END $$", "conflict", 503, "55P03")]
    [InlineData("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53200'; END $$", "database_unavailable", 503, "53200")]
    [InlineData("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '57014'; END $$", "deadline_exceeded", 504, "57014")]
    [InlineData("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'XX000'; END $$", "sql_error", 422, "XX000")]
    public async Task SqlState_DecidesTheCode(string sql, string code, int status, string sqlState)
    {
        var answer = await gateway.Client.PostAsync("execute", new { activityId = "a", sql, delivery = "at-least-once" });

        var problem = answer.ExpectProblem(status, code);
        Assert.Equal(sqlState, problem.GetProperty("sqlState").GetString());
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal("a", problem.GetProperty("activityId").GetString());
    }

    [Fact]
    public async Task ConstraintViolation_NamesWhatWasViolated()
    {
        var answer = await gateway.Client.PostAsync("execute", new
        {
            activityId = "a",
            sql = "INSERT INTO users (email, name) VALUES ($1, 'x')",
            parameters = new[] { "ada@example.org" },
            delivery = "at-least-once",
        });

        var problem = answer.ExpectProblem(422, "sql_error");
        Assert.Equal("users_email_key", problem.GetProperty("constraint").GetString());
        Assert.Equal("users", problem.GetProperty("table").GetString());
        Assert.Equal("public", problem.GetProperty("schema").GetString());
        Assert.DoesNotContain("ada@", answer.Text);
    }

    [Theory]
    [InlineData("SELECT nothing", null, 8)]
    [InlineData("SELECT '😀😀', nothing", null, 14)]
    [InlineData("SELECT :first_value::int, :b::int, nothing", """{"first_value": 1, "b": 2}""", 36)]
    public async Task Position_CountsCharactersOfTheCallersSql(string sql, string? parameters, int position)
    {
        var answer = await gateway.Client.PostAsync("query", new
        {
            activityId = "a",
            sql,
            parameters = parameters is null ? (JsonElement?)null : JsonDocument.Parse(parameters).RootElement,
        });

        Assert.Equal(position, answer.ExpectProblem(422, "sql_error").GetProperty("position").GetInt32());
    }

    [Theory]
    [InlineData("SELECT $1::int", "secret-canary")]
    [InlineData("SELECT $1::int[]", "{1,secret-canary}")]
    [InlineData("SELECT $1::jsonb", "secret-canary")]
    [InlineData("SELECT $1::timestamptz", "secret-canary")]
    [InlineData("SELECT $1::regclass", "secret-canary")]
    [InlineData("SELECT $1::smallint", "12345678")]
    [InlineData("SELECT $1::uuid", "secret-canary")]
    [InlineData("SELECT set_config('statement_timeout', $1, false)", "secret-canary")]
    public async Task ParameterValue_IsNotShown(string sql, string value)
    {
        var answer = await gateway.Client.PostAsync("query", new { activityId = "a", sql, parameters = new[] { value } });

        answer.ExpectProblem(422, "sql_error");
        Assert.DoesNotContain("canary", answer.Text);
        Assert.DoesNotContain("12345678", answer.Text);
    }

    [Fact]
    public async Task ParameterValueOfAnArray_IsNotShown()
    {
        var answer = await gateway.Client.PostAsync(
            "query", new { activityId = "a", sql = "SELECT :x::int[]", parameters = new { x = new[] { "secret-canary" } } });

        var problem = answer.ExpectProblem(422, "sql_error");
        Assert.Equal("invalid input syntax for type integer: :x", problem.GetProperty("detail").GetString());
    }

    [Fact]
    public async Task LongMessage_IsCutToWhatAnEngineKeeps()
    {
        var answer = await gateway.Client.PostAsync("query", new
        {
            activityId = "a",
            sql = "DO $$ BEGIN RAISE EXCEPTION '%', repeat('\"€', 50000) USING HINT = repeat('\\', 5000); END $$",
        });

        answer.ExpectProblem(422, "sql_error");
    }

    [Fact]
    public async Task StatementPastItsBudget_Returns504()
    {
        var answer = await gateway.Client.PostAsync("query", new { activityId = "a", sql = "SELECT pg_sleep(30.25)", timeoutMs = 200 });

        var problem = answer.ExpectProblem(504, "deadline_exceeded");
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(0, await gateway.ReadAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30.25)%' AND state = 'active' AND pid <> pg_backend_pid()"));
    }

    [Fact]
    public async Task IdleSessionsThatTheServerClosed_AreReplaced()
    {
        await using var own = await gateway.StartGatewayAsync($"--DSN={gateway.Dsn};Application Name=closed");
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => own.Client.QueryAsync("SELECT pg_sleep(0.1)")));

        await gateway.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'closed'");

        for (var i = 0; i < 8; i++)
            Assert.Equal(1, (await own.Client.QueryValueAsync("SELECT 1")).GetInt32());
    }

    [Fact]
    public async Task WhatARequestLeaves_TheNextDoesNotSee()
    {
        await using var own = await gateway.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");
        var first = await own.Client.QueryAsync(
            "SELECT set_config('search_path', 'nowhere', false) AS a, pg_advisory_lock(4711) AS b, set_config('my.secret', 'x', false) AS c, pg_backend_pid() AS pid");

        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"));
        var next = await own.Client.QueryAsync(
            "SELECT current_setting('search_path') AS path, current_setting('my.secret', true) AS secret, pg_backend_pid() AS pid");
        var row = next.GetProperty("rows")[0];
        Assert.Equal(first.GetProperty("rows")[0].GetProperty("pid").GetInt32(), row.GetProperty("pid").GetInt32());
        Assert.Equal("\"$user\", public", row.GetProperty("path").GetString());
        Assert.Equal("", row.GetProperty("secret").GetString() ?? "");
    }
}
