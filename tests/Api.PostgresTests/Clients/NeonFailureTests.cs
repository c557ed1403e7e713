using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Clients;

/// <summary>Tests the failures of <c>/sql</c>: an error in the protocol's form, for every kind of fault.</summary>
public sealed class NeonFailureTests(GatewayFixture gateway)
{
    private static int _tables;

    [Fact]
    public async Task ErrorOfPostgreSql_IsPassedOnFieldByField()
    {
        var table = await CreateTableAsync();

        var answer = await gateway.Client.SqlAsync(new { query = $"INSERT INTO {table} VALUES (1), (1)" });

        var error = answer.ExpectError(400, "23505");
        Assert.Equal("false", answer.Headers["X-Should-Retry"]);
        AssertFields(error, new()
        {
            ["message"] = $"duplicate key value violates unique constraint \"{table}_pkey\"",
            ["code"] = "23505",
            ["detail"] = "Key (n)=(…) already exists.",
            ["severity"] = "ERROR",
            ["schema"] = "public",
            ["table"] = table,
            ["constraint"] = $"{table}_pkey",
        });
    }

    [Fact]
    public async Task Position_IsTextThatCountsCharactersOfItsQuery()
    {
        var alone = await gateway.Client.SqlAsync(new { query = "SELECT 'é😀', nowhere" });
        var inBatch = await gateway.Client.SqlAsync(
            new { queries = new[] { new { query = "SELECT 1" }, new { query = "SELECT 'é😀', nowhere" } } });

        foreach (var answer in new[] { alone, inBatch })
        {
            AssertFields(answer.ExpectError(400, "42703"), new()
            {
                ["message"] = "column \"nowhere\" does not exist",
                ["code"] = "42703",
                ["severity"] = "ERROR",
                ["position"] = "14",
            });
        }
    }

    [Fact]
    public async Task ErrorWithinAFunction_HasItsQueryAndWhere()
    {
        var answer = await gateway.Client.SqlAsync(new { query = "DO $$ BEGIN EXECUTE 'SELECT 1 + nowhere'; END $$" });

        var error = answer.ExpectError(400, "42703");
        Assert.Equal(("12", "SELECT 1 + nowhere"), (Text(error, "internalPosition"), Text(error, "internalQuery")));
        Assert.Equal(JsonValueKind.Null, error.GetProperty("position").ValueKind);
        Assert.Contains("inline_code_block", Text(error, "where"));
    }

    [Fact]
    public async Task RaisedError_HasWhatItWasRaisedWith()
    {
        var answer = await gateway.Client.SqlAsync(new
        {
            query = """
                DO $$ BEGIN RAISE 'no' USING ERRCODE = 'GW001', DETAIL = 'd', HINT = 'h', SCHEMA = 's',
                TABLE = 't', COLUMN = 'c', DATATYPE = 'dt', CONSTRAINT = 'k'; END $$
                """,
        });

        var error = answer.ExpectError(400, "GW001");
        Assert.Equal(
            ["no", "d", "h", "s", "t", "c", "dt", "k"],
            new[] { "message", "detail", "hint", "schema", "table", "column", "dataType", "constraint" }.Select(name => Text(error, name)));
        Assert.Equal(("pl_exec.c", "exec_stmt_raise"), (Text(error, "file"), Text(error, "routine")));
        Assert.Matches(@"^\d+$", Text(error, "line"));
    }

    [Theory]
    [InlineData("serialization_failure", "40001")]
    [InlineData("deadlock_detected", "40P01")]
    [InlineData("lock_not_available", "55P03")]
    public async Task ErrorThatMayPassTheNextTime_SaysSoByItsCodeAndAHeader(string condition, string code)
    {
        var answer = await gateway.Client.SqlAsync(new { query = $"DO $$ BEGIN RAISE {condition}; END $$" });

        answer.ExpectError(400, code);
        Assert.Equal("true", answer.Headers["X-Should-Retry"]);
    }

    [Theory]
    [InlineData("SELECT $1::int", "s3cret-value")]
    [InlineData("INSERT INTO users (email, name) VALUES ('grace@example.org', $1), ('grace@example.org', $1)", "s3cret-value")]
    [InlineData("INSERT INTO users (email, name) VALUES ($1, 'x'), ($1, 'y')", "s3cret-value")]
    [InlineData("INSERT INTO orders (user_id, total) SELECT 1, -length($1)", "s3cret-value")]
    [InlineData("DO $$ BEGIN RAISE 'x'; END $$", null)]
    public async Task ParameterOfAFailingQuery_IsInNoPartOfItsError(string query, string? parameter)
    {
        var answer = await gateway.Client.SqlAsync(new { query, @params = parameter is null ? [] : new[] { parameter } });

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.DoesNotContain("s3cret", answer.Text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("\"SELECT 1\"")]
    [InlineData("{}")]
    [InlineData("""{"sql": "SELECT 1"}""")]
    [InlineData("""{"query": null}""")]
    [InlineData("""{"query": 1}""")]
    [InlineData("""{"query": ["SELECT 1"]}""")]
    [InlineData("""{"query": "SELECT 1", "params": {"a": 1}}""")]
    [InlineData("""{"query": "SELECT 1", "params": "x"}""")]
    [InlineData("""{"query": "SELECT $1::int"}""")]
    [InlineData("""{"query": "SELECT 1", "params": [1]}""")]
    [InlineData("""{"query": "SELECT $1::text", "params": ["\ud800"]}""")]
    [InlineData("""{"query": "SELECT $1::text", "params": ["\u0000"]}""")]
    [InlineData("""{"query": "SELECT 1", "arrayMode": "yes"}""")]
    [InlineData("""{"queries": {}}""")]
    [InlineData("""{"queries": null}""")]
    [InlineData("""{"queries": ["SELECT 1"]}""")]
    [InlineData("""{"queries": [{"query": "SELECT 1"}, {"params": []}]}""")]
    [InlineData("""{"queries": [{"query": "SELECT 1"}, null]}""")]
    public async Task BodyThatIsNoRequest_IsRefused(string body)
    {
        var answer = await gateway.Client.SqlAsync(body);

        answer.ExpectError(400, "invalid_request");
        Assert.Equal("false", answer.Headers["X-Should-Retry"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("host=any.host dbname=default")]
    [InlineData("https://anyone:s3cret@any.host/default")]
    [InlineData("postgresql//anyone:s3cret@any.host/default")]
    public async Task ConnectionStringThatIsNone_IsRefusedAndNotShown(string connectionString)
    {
        var answer = await gateway.Client.SqlAsync(new { query = "SELECT 1" }, (NeonCaller.ConnectionString, connectionString));

        var error = answer.ExpectError(400, "invalid_request");
        Assert.Contains(NeonCaller.ConnectionString, Text(error, "message"));
        Assert.DoesNotContain("s3cret", answer.Text);
    }

    [Fact]
    public async Task NoConnectionString_IsRefused()
    {
        using var response = await gateway.Client.Http.PostAsync("/sql", new StringContent("""{"query": "SELECT 1"}"""));

        (await Answer.ReadAsync(response)).ExpectError(400, "invalid_request");
    }

    [Fact]
    public async Task ConnectionThatIsNotConfigured_IsNotFound()
    {
        var answer = await gateway.Client.SqlAsync(new { query = "SELECT 1" }, (NeonCaller.ConnectionString, "postgresql://anyone:s3cret@h/nowhere"));

        Assert.Contains("nowhere", Text(answer.ExpectError(404, "connection_not_found"), "message"));
        Assert.DoesNotContain("s3cret", answer.Text);
    }

    [Theory]
    [InlineData("BEGIN")]
    [InlineData("COMMIT")]
    [InlineData("ROLLBACK; SELECT 1")]
    [InlineData("COPY users TO STDOUT")]
    public async Task TransactionControlAndCopy_AreRefused(string query)
    {
        var table = await CreateTableAsync();

        (await gateway.Client.SqlAsync(new { query })).ExpectError(400, "sql_rejected");
        var batch = new { queries = new[] { new { query = $"INSERT INTO {table} VALUES (1)" }, new { query } } };
        (await gateway.Client.SqlAsync(batch)).ExpectError(400, "sql_rejected");
        Assert.Equal(0, await CountAsync(table));
    }

    [Fact]
    public async Task RequestBeyondTheLimit_Is413()
    {
        await using var small = await gateway.StartGatewayAsync("--Gateway:BodyLimitBytes=2000");

        (await small.Client.SqlAsync(new { query = $"SELECT 1 -- {new string('x', 1500)}" })).Expect(HttpStatusCode.OK);
        (await small.Client.SqlAsync(new { query = $"SELECT 1 -- {new string('x', 2500)}" })).ExpectError(413, "body_too_large");
    }

    [Fact]
    public async Task AnswerBeyondTheLimit_Is507AndWritesNothing()
    {
        var table = await CreateTableAsync();
        await using var small = await gateway.StartGatewayAsync("--Gateway:ResponseLimitBytes=20000");
        string Insert(int rows) => $"INSERT INTO {table} SELECT n FROM generate_series({rows}, 1, -1) n RETURNING repeat('x', 100)";

        (await small.Client.SqlAsync(new { query = Insert(400) })).ExpectError(507, "result_too_large");
        var batch = new { queries = new[] { new { query = Insert(120) }, new { query = $"SELECT repeat('x', 100) FROM {table}" } } };
        (await small.Client.SqlAsync(batch)).ExpectError(507, "result_too_large");
        Assert.Equal(0, await CountAsync(table));
        (await small.Client.SqlAsync(new { query = Insert(120) })).Expect(HttpStatusCode.OK);
        Assert.Equal(120, await CountAsync(table));
    }

    [Fact]
    public async Task MoreRowsThanTheLimitInABatch_Are507()
    {
        await using var small = await gateway.StartGatewayAsync("--Gateway:RowLimit=3");
        object Batch(int rows) => new { queries = new[] { new { query = "SELECT generate_series(1, 2)" }, new { query = $"SELECT generate_series(1, {rows})" } } };

        (await small.Client.SqlAsync(Batch(1))).Expect(HttpStatusCode.OK);
        (await small.Client.SqlAsync(Batch(2))).ExpectError(507, "result_too_large");
    }

    [Fact]
    public async Task QueryBeyondTheBudget_Is504AndWritesNothing()
    {
        var table = await CreateTableAsync();
        await using var hasty = await gateway.StartGatewayAsync("--Gateway:DefaultTimeoutMs=500");

        var answer = await hasty.Client.SqlAsync(new { query = $"INSERT INTO {table} SELECT 1 FROM pg_sleep(60)" });

        answer.ExpectError(504, "deadline_exceeded");
        Assert.Equal("true", answer.Headers["X-Should-Retry"]);
        Assert.Equal(0, await CountAsync(table));
    }

    [Fact]
    public async Task ReadOnlyConnection_ReadsAndRefusesToWrite()
    {
        await using var reading = await gateway.StartGatewayAsync("--Gateway:Connections:default:ReadOnly=true");

        (await reading.Client.SqlAsync(new { query = "SELECT 1" })).Expect(HttpStatusCode.OK);
        (await reading.Client.SqlAsync(new { query = "DELETE FROM orders" })).ExpectError(400, "25006");
        (await reading.Client.SqlAsync(new { queries = new[] { new { query = "DELETE FROM orders" } } })).ExpectError(400, "25006");
    }

    private static void AssertFields(JsonElement error, Dictionary<string, string> expected)
    {
        // The position in PostgreSQL's source depends on its version.
        string[] source = ["file", "line", "routine"];
        var fields = error.EnumerateObject().Where(field => field.Value.ValueKind != JsonValueKind.Null && !source.Contains(field.Name));
        Assert.Equal(
            expected.OrderBy(field => field.Key),
            fields.Select(field => KeyValuePair.Create(field.Name, field.Value.GetString()!)).OrderBy(field => field.Key));
        Assert.All(source, name => Assert.NotEmpty(Text(error, name)));
    }

    private static string Text(JsonElement error, string field) => error.GetProperty(field).GetString() ?? "";

    private Task<long> CountAsync(string table) => gateway.ReadAsync<long>($"SELECT count(*) FROM {table}");

    private async Task<string> CreateTableAsync()
    {
        var table = $"neon_failure_{Interlocked.Increment(ref _tables)}";
        await gateway.ExecuteAsync($"CREATE TABLE {table} (n int PRIMARY KEY)");
        return table;
    }
}
