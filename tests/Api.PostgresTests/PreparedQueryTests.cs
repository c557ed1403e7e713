using System.Net;
using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that a query which is prepared in its session answers as if it were not, whatever callers' SQL and DDL have
/// done since.
/// </summary>
public sealed class PreparedQueryTests(OneSessionGateway gateway) : IClassFixture<OneSessionGateway>, IAsyncLifetime
{
    /// <summary>Counts the callers' prepared queries, without itself.</summary>
    private const string Prepared =
        """
        SELECT count(*)::int FROM pg_prepared_statements
         WHERE name LIKE 'gateway_prepared_%'
           AND statement !~ 'set_config|pg_advisory_unlock_all|pg_prepared_statements'
        """;

    /// <summary>Counts all but the query that sets this request's tags, which may be prepared before it.</summary>
    private const string AllButTheTag =
        "SELECT count(*)::int FROM pg_prepared_statements WHERE statement !~ 'set_config'";

    private RunningGateway? _own;

    private GatewayClient Client => _own!.Client;

    /// <summary>Each test has a gateway with a new session.</summary>
    public async ValueTask InitializeAsync()
    {
        await gateway.RunAsync(
            """
            CREATE OR REPLACE FUNCTION run_sql(VARIADIC sqls text[]) RETURNS int LANGUAGE plpgsql AS $$
                DECLARE s text;
                BEGIN FOREACH s IN ARRAY sqls LOOP EXECUTE s; END LOOP; RETURN 1; END
            $$;
            DROP TABLE IF EXISTS watched;
            CREATE TABLE watched (id int, at date, note text);
            INSERT INTO watched VALUES (1, '2026-01-02', 'one');
            """);
        _own = await gateway.StartGatewayAsync();
    }

    public ValueTask DisposeAsync() => _own!.DisposeAsync();

    [Fact]
    public async Task QueryThatComesAgain_IsPrepared()
    {
        const string Sql = "SELECT note FROM watched WHERE id = $1";

        await Client.QueryAsync(Sql, new[] { 1 });
        Assert.Equal(0, await CountAsync());
        for (var time = 0; time < 3; time++)
            Assert.Equal("one", (await Client.QueryValueAsync(Sql, new[] { 1 })).GetString());

        var same = await Client.QueryValueAsync(
            $"SELECT count(*)::int FROM pg_prepared_statements WHERE statement = '{Sql}'");
        Assert.Equal(1, same.GetInt32());
    }

    /// <summary>A caller's function could exchange it, and with it what the caller may do.</summary>
    [Fact]
    public async Task StatementThatHoldsACallerInItsRights_IsNotPrepared()
    {
        await PrepareAsync("SELECT note FROM watched WHERE id = $1", 1);

        var answer = await Client.QueryAsync("SELECT statement FROM pg_prepared_statements");

        Assert.All(answer.GetProperty("rows").EnumerateArray(), row => Assert.StartsWith(
            "SELECT", row.GetProperty("statement").GetString(), StringComparison.Ordinal));
        Assert.Equal(3, answer.GetProperty("rowCount").GetInt32());
    }

    [Theory]
    [InlineData("execute", "UPDATE watched SET note = note")]
    [InlineData("query", "SHOW work_mem")]
    [InlineData("query", "EXPLAIN SELECT 1")]
    [InlineData("query", "PREPARE mine AS SELECT 1")]
    [InlineData("query", "DEALLOCATE ALL")]
    public async Task AnyOtherStatement_RemovesWhatIsPrepared(string endpoint, string sql)
    {
        await PrepareAsync("SELECT note FROM watched");

        (await Client.PostAsync(endpoint, OneSessionGateway.Request(endpoint, sql))).Expect(HttpStatusCode.OK);

        Assert.Equal(0, (await Client.QueryValueAsync(AllButTheTag)).GetInt32());
        await PrepareAsync("SELECT note FROM watched");
    }

    /// <summary>What a function has changed there must not last.</summary>
    [Fact]
    public async Task SessionThatIsNotUsed_IsCleaned()
    {
        await PrepareAsync("SELECT note FROM watched");
        var backend = await BackendAsync();
        await Client.QueryAsync("SELECT run_sql($1)", new[] { "PREPARE mine AS SELECT 1" });

        // The gateway's own statements are the last that ran there; a second after them, DISCARD ALL is.
        await Poll.UntilAsync(async () => await gateway.ReadAsync<string>(
            $"SELECT query FROM pg_stat_activity WHERE pid = {backend}") == "DISCARD ALL");

        Assert.Equal(0, (await Client.QueryValueAsync(AllButTheTag)).GetInt32());
        Assert.Equal(backend, await BackendAsync());
    }

    [Fact]
    public async Task TransactionOfReads_IsNotPrepared()
    {
        for (var time = 0; time < 3; time++)
        {
            string[] sqls = ["SELECT set_config('search_path', 'pg_temp', true)", "SELECT 1"];
            var statements = sqls.Select(sql => new { sql });
            (await Client.PostAsync("transaction", new { activityId = "reads", readOnly = true, statements }))
                .Expect(HttpStatusCode.OK);
        }

        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task MoreQueriesThanPlaces_AreAllAnswered()
    {
        for (var round = 0; round < 3; round++)
        {
            for (var query = 0; query < 2 * PreparedQueries.MaxCount; query++)
            {
                for (var time = 0; time < 2; time++)
                {
                    var value = await Client.QueryValueAsync($"SELECT {query} + $1::int", new[] { 0 });
                    Assert.Equal(query, value.GetInt32());
                }
            }
        }

        var all = await Client.QueryValueAsync("SELECT count(*)::int FROM pg_prepared_statements");
        Assert.Equal(PreparedQueries.MaxCount, all.GetInt32());
    }

    [Fact]
    public async Task LongQuery_IsNotPrepared()
    {
        var sql = $"SELECT '{new string('x', PreparedQueries.MaxSqlLength)}'";
        for (var time = 0; time < 3; time++)
            Assert.Equal(PreparedQueries.MaxSqlLength, (await Client.QueryValueAsync(sql)).GetString()!.Length);

        Assert.Equal(0, await CountAsync());
    }

    /// <summary>Its description would be kept, and PostgreSQL allows 1,664 columns.</summary>
    [Fact]
    public async Task QueryWithManyColumns_IsAnsweredEachTime()
    {
        var columns = Enumerable.Range(0, PreparedQueries.MaxColumns + 1).Select(n => $"{n} AS c{n}");
        var sql = $"SELECT {string.Join(", ", columns)}";
        for (var time = 0; time < 5; time++)
        {
            Assert.Equal(1, (await Client.QueryAsync(sql)).GetProperty("rowCount").GetInt32());
            Assert.Equal("one", (await Client.QueryValueAsync("SELECT note FROM watched")).GetString());
        }
    }

    [Fact]
    public async Task SameSqlWithOtherTypes_HasTheTypesOfItsRequest()
    {
        for (var time = 0; time < 4; time++)
        {
            foreach (var (type, expected) in new[] { ("int", "integer"), ("text", "text"), ("date", "date") })
            {
                var answer = await Client.PostAsync("query", new
                {
                    activityId = "typed",
                    sql = "SELECT pg_typeof($1)::text AS type",
                    parameters = new[] { (string?)null },
                    parameterTypes = new[] { type },
                });
                var row = answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0];
                Assert.Equal(expected, row.GetProperty("type").GetString());
            }
        }
    }

    [Theory]
    [InlineData("ALTER TABLE watched ADD COLUMN more int DEFAULT 7", "more", "7")]
    [InlineData("ALTER TABLE watched ALTER COLUMN id TYPE text USING 'x' || id", "id", "\"x1\"")]
    [InlineData("ALTER TABLE watched RENAME COLUMN note TO more", "more", "\"one\"")]
    [InlineData("DROP TABLE watched; CREATE TABLE watched AS SELECT 5 AS more", "more", "5")]
    public async Task TableThatWasChanged_IsAnsweredAsItIs(string ddl, string column, string expected)
    {
        const string Sql = "SELECT * FROM watched";
        await PrepareAsync(Sql);

        await gateway.RunAsync(ddl);

        var row = (await Client.QueryAsync(Sql)).GetProperty("rows")[0];
        Assert.Equal(expected, row.GetProperty(column).GetRawText());
        // And it is prepared again.
        await PrepareAsync(Sql);
    }

    [Fact]
    public async Task ColumnsNewType_IsTheParametersToo()
    {
        const string Sql = "SELECT count(*)::int FROM watched WHERE id = $1";
        await PrepareAsync(Sql, 1);

        await gateway.RunAsync("ALTER TABLE watched ALTER COLUMN id TYPE text USING 'x' || id");

        Assert.Equal(1, (await Client.QueryValueAsync(Sql, new[] { "x1" })).GetInt32());
    }

    [Fact]
    public async Task TableThatIsGone_IsThatError()
    {
        await PrepareAsync("SELECT * FROM watched");
        await gateway.RunAsync("DROP TABLE watched");

        var answer = await Client.PostAsync("query", OneSessionGateway.Request("query", "SELECT * FROM watched"));

        Assert.Equal("42P01", answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
    }

    /// <summary>It may be an error of the types that it was prepared with, so it runs once more without.</summary>
    [Fact]
    public async Task ErrorOfAPreparedQuery_IsItsOwn()
    {
        const string Sql = "SELECT 1 / $1::int";
        await PrepareAsync(Sql, 1);

        for (var time = 0; time < 3; time++)
        {
            var answer = await Client.PostAsync(
                "query", new { activityId = "fails", sql = Sql, parameters = new[] { 0 } });
            Assert.Equal("22012", answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
        }
    }

    /// <summary>After the first rows there is no second run.</summary>
    [Fact]
    public async Task ErrorInAStreamOfAPreparedQuery_IsItsOwn()
    {
        const string Sql = "SELECT repeat('x', 100), 1 / ($1::int - n) FROM generate_series(1, 20000) n";
        foreach (var parameter in new[] { 0, 0, 20000 })
        {
            int[] parameters = [parameter];
            var json = JsonSerializer.Serialize(new { activityId = "streams", sql = Sql, parameters });
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/query")
            {
                Content = new StringContent(json, null, "application/json"),
                Headers = { { "Accept", "application/x-ndjson" } },
            };
            using var response = await Client.Http.SendAsync(request);
            var text = await response.Content.ReadAsStringAsync();

            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            var last = JsonDocument.Parse(text.TrimEnd().Split('\n')[^1]).RootElement;
            if (parameter != 0)
                Assert.Contains("22012", last.GetRawText(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("DEALLOCATE ALL")]
    [InlineData("DEALLOCATE gateway_prepared_0")]
    [InlineData("DEALLOCATE gateway_prepared_1")]
    public async Task QueryThatAFunctionHasRemoved_IsAnswered(string sql)
    {
        await PrepareAsync("SELECT note FROM watched");

        await Client.QueryAsync("SELECT run_sql($1)", new[] { sql });

        Assert.Equal("one", (await Client.QueryValueAsync("SELECT note FROM watched")).GetString());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task NameThatAFunctionHasTaken_IsNoOnesError(int place)
    {
        await Client.QueryAsync("SELECT run_sql($1)", new[] { $"PREPARE gateway_prepared_{place} AS SELECT 'taken'" });

        for (var time = 0; time < 3; time++)
            Assert.Equal("one", (await Client.QueryValueAsync("SELECT note FROM watched")).GetString());
    }

    /// <summary>
    /// The caller can do this to itself only. It is noticed at the next check: after 64 requests, or a second.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task QueryThatAFunctionHasExchanged_IsFoundByTheCheck(int place)
    {
        const string Sql = "SELECT note FROM watched";
        await PrepareAsync(Sql);
        var backend = await BackendAsync();
        var columns = place == 1 ? "'exchanged'" : place == 0 ? "1, 2, 3" : "'UTF8', 1";
        string[] sqls =
            [$"DEALLOCATE gateway_prepared_{place}", $"PREPARE gateway_prepared_{place} AS SELECT {columns}"];
        await Client.QueryAsync("SELECT run_sql($1, $2)", sqls);

        for (var request = 0; request < PreparedQueries.CheckAfterRequests; request++)
            await Client.PostAsync("query", OneSessionGateway.Request("query", Sql));

        Assert.Equal("one", (await Client.QueryValueAsync(Sql)).GetString());
        Assert.NotEqual(backend, await BackendAsync());
    }

    /// <summary>A session without prepared queries is checked and cleaned too.</summary>
    [Fact]
    public async Task StatementThatTheFirstQueryLeaves_IsGoneFromAnIdleSession()
    {
        var backend = await BackendAsync();
        await Client.ExecuteAsync("UPDATE watched SET note = note");
        await Client.QueryAsync("SELECT run_sql($1)", new[] { "PREPARE mine AS SELECT 1" });

        await Poll.UntilAsync(async () => await gateway.ReadAsync<string>(
            $"SELECT query FROM pg_stat_activity WHERE pid = {backend}") == "DISCARD ALL");
    }

    /// <summary>A function that prepares a statement and leaves it works each time.</summary>
    [Fact]
    public async Task FunctionThatLeavesAStatement_WorksAgain()
    {
        for (var time = 0; time < 3; time++)
        {
            var sql = $"SELECT run_sql('PREPARE mine AS SELECT {time}')";
            (await Client.PostAsync("query", OneSessionGateway.Request("query", sql))).Expect(HttpStatusCode.OK);
        }
    }

    /// <summary>PostgreSQL turns such a literal into a time when it parses the query.</summary>
    [Theory]
    [InlineData("SELECT 'now'::timestamptz::text")]
    [InlineData("SELECT (timestamptz ' NOW ')::text")]
    public async Task LiteralThatNamesAMoment_IsThatOfItsRequest(string sql)
    {
        var times = new List<string?>();
        for (var time = 0; time < 4; time++)
            times.Add((await Client.QueryValueAsync(sql)).GetString());

        Assert.Equal(times.Count, times.Distinct().Count());
    }

    [Fact]
    public async Task QueriesInARow_AreCheckedByTheirNumber()
    {
        const string Sql = "SELECT note FROM watched";
        await PrepareAsync(Sql);
        var backend = await BackendAsync();
        await Client.QueryAsync("SELECT run_sql($1)", new[] { "PREPARE mine AS SELECT 1" });

        for (var request = 0; request < PreparedQueries.CheckAfterRequests; request++)
            Assert.Equal("one", (await Client.QueryValueAsync(Sql)).GetString());

        Assert.NotEqual(backend, await BackendAsync());
    }

    /// <summary>Whatever is exchanged, a reader writes nothing: BEGIN and ROLLBACK have no names.</summary>
    [Fact]
    public async Task ReaderThatExchangesStatements_CantWrite()
    {
        foreach (var query in new[] { "SELECT 1", "SELECT note FROM watched" })
            await PrepareAsync(query);
        var sqls = Enumerable.Range(0, 5).Select(place => $"PREPARE gateway_prepared_{place} AS DELETE FROM watched");
        await Client.QueryAsync("SELECT run_sql($1, $2, $3, $4, $5, $6)", sqls.Prepend("DEALLOCATE ALL"));

        for (var time = 0; time < 3; time++)
            await Client.PostAsync("query", OneSessionGateway.Request("query", "SELECT 1"));

        Assert.Equal(1L, await gateway.ReadAsync<long>("SELECT count(*) FROM watched"));
    }

    /// <summary>The types of an array's parameter are checked when the query is prepared.</summary>
    [Fact]
    public async Task QueryWithAnArray_IsPreparedAndFollowsItsTypes()
    {
        const string Sql = "SELECT count(*)::int FROM watched WHERE id = ANY ($1)";
        for (var time = 0; time < 4; time++)
            Assert.Equal(1, (await Client.QueryValueAsync(Sql, new[] { new[] { 1, 2 } })).GetInt32());
        Assert.Equal(1, await CountAsync());
        Assert.Equal(0, (await Client.QueryValueAsync(
            "SELECT count(*)::int FROM pg_prepared_statements WHERE from_sql")).GetInt32());

        await gateway.RunAsync("ALTER TABLE watched ALTER COLUMN id TYPE text USING 'x' || id");

        Assert.Equal(1, (await Client.QueryValueAsync(Sql, new[] { new[] { "x1" } })).GetInt32());
        Assert.Equal(0, (await Client.QueryValueAsync(Sql, new[] { new[] { 1, 2 } })).GetInt32());
    }

    /// <summary>With ReuseSessions=true, callers that trust each other share their sessions.</summary>
    [Fact]
    public async Task CallersThatShareASession_ShareWhatIsPrepared()
    {
        string[] keys = [ApiKey.New(), ApiKey.New()];
        await using var shared = await gateway.StartGatewayAsync(settings:
        [
            "--Gateway:Connections:default:ReuseSessions=true",
            .. keys.SelectMany((key, caller) => new[]
            {
                $"--Gateway:Callers:caller{caller}:Keys:0={ApiKey.WriteHash(key)}",
                $"--Gateway:Callers:caller{caller}:Connections:default=read",
            }),
        ]);

        for (var time = 0; time < 3; time++)
        {
            foreach (var (caller, key) in keys.Index())
            {
                using var client = new GatewayClient(shared.Address, key);
                var seen = await client.QueryValueAsync("SELECT current_setting('gateway.caller')");
                Assert.Equal($"caller{caller}", seen.GetString());
            }
        }
        using var counting = new GatewayClient(shared.Address, keys[0]);
        Assert.Equal(1, (await counting.QueryValueAsync(Prepared)).GetInt32());
    }

    /// <summary>A database may allow its functions to few roles.</summary>
    [Theory]
    [InlineData("EXECUTE ON FUNCTION pg_advisory_unlock_all()")]
    [InlineData("EXECUTE ON FUNCTION pg_prepared_statement()")]
    [InlineData("SELECT ON pg_prepared_statements")]
    public async Task RoleThatMayNotClean_IsServed(string right)
    {
        await gateway.RunAsync("DROP ROLE IF EXISTS bare; CREATE ROLE bare LOGIN PASSWORD 'bare'");
        await gateway.RunAsync($"REVOKE {right} FROM PUBLIC");
        try
        {
            await using var bare = await gateway.StartGatewayAsync(role: "bare");
            for (var time = 0; time < 3; time++)
            {
                var locks = await bare.Client.QueryValueAsync("SELECT count(pg_advisory_lock(4711))::int");
                Assert.Equal(1, locks.GetInt32());
            }

            const string Held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
            Assert.Equal(0L, await gateway.ReadAsync<long>(Held));
        }
        finally
        {
            await gateway.RunAsync($"GRANT {right} TO PUBLIC; DROP ROLE bare");
        }
    }

    private async Task PrepareAsync(string sql, params object[] parameters)
    {
        for (var time = 0; time < 2; time++)
            await Client.QueryAsync(sql, parameters);
        Assert.True(await CountAsync() > 0, $"{sql} is not prepared.");
    }

    private async Task<int> CountAsync() => (await Client.QueryValueAsync(Prepared)).GetInt32();

    private async Task<int> BackendAsync() => (await Client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();
}

/// <summary>Tests the age of a prepared query, by a clock that the test moves.</summary>
public sealed class PreparedQueryAgeTests(GatewayFixture fixture)
{
    /// <summary>When prepared, the query finds itself in the view.</summary>
    private const string Sql =
        "SELECT max(prepare_time)::text FROM pg_prepared_statements WHERE statement LIKE '%prepare_time%'";

    [Fact]
    public async Task OldQuery_IsPreparedAgain()
    {
        var clock = new MovedClock();
        await using var source = SessionSource.Plain(NpgsqlDataSource.Create(fixture.Dsn));
        await using var session = new Session(
            await source.OpenConnectionAsync(CancellationToken.None), default, new Watchdog(source, source, clock), clock,
            keepsQueries: true);

        Assert.Null(await RunAsync(session));
        var prepared = await RunAsync(session);
        clock.Now += PreparedQueries.MaxAge - TimeSpan.FromTicks(1);
        Assert.Equal(prepared, await RunAsync(session));
        clock.Now += TimeSpan.FromTicks(1);
        var again = await RunAsync(session);

        Assert.NotNull(prepared);
        Assert.NotNull(again);
        Assert.NotEqual(prepared, again);
        Assert.Equal(again, await RunAsync(session));
    }

    private static async Task<string?> RunAsync(Session session)
    {
        var command = new NpgsqlBatchCommand(Sql);
        session.Transaction.Queries!.UseForQuery(command, []);
        string? time;
        await using (var reader = await session.Transaction.BeginAsync(
            "BEGIN READ ONLY", [command], RoundTripEnd.RollBackQueries))
        {
            await reader.ReadAsync();
            time = await reader.IsDBNullAsync(0) ? null : reader.GetString(0);
        }
        Assert.True(session.IsClean);
        session.MarkIdle();
        return time;
    }
}
