using System.Net;

namespace Gateway.Api.PostgresTests.Clients;

/// <summary>
/// Tests an addition of <c>/sql</c> to the protocol: with an <c>Idempotency-Key</c> a request takes effect once.
/// </summary>
public sealed class NeonIdempotencyTests(GatewayFixture gateway)
{
    private const string Key = "Idempotency-Key";
    private const string Replayed = "Idempotent-Replayed";
    private static int _tables;

    [Fact]
    public async Task QuerySentAgain_HasOneEffectAndTheSameAnswer()
    {
        var table = await CreateTableAsync();
        var query = new { query = $"INSERT INTO {table} (s) VALUES ($1) RETURNING *, clock_timestamp()", @params = new[] { "é\u0001" } };

        var first = await gateway.Client.SqlAsync(query, (Key, $"{table}/1"));
        var second = await gateway.Client.SqlAsync(query, (Key, $"\"{table}/1\""));

        AssertReplay(first, second);
        Assert.Equal(1, await CountAsync(table));
    }

    [Fact]
    public async Task BatchSentAgain_HasOneEffectAndTheSameAnswer()
    {
        var table = await CreateTableAsync();
        var insert = $"INSERT INTO {table} (s) VALUES ('x') RETURNING id, clock_timestamp()";
        var batch = new { queries = new[] { new { query = insert }, new { query = insert } } };
        (string, string)[] headers = [(Key, $"{table}/1"), ("Neon-Batch-Isolation-Level", "Serializable"), ("Neon-Raw-Text-Output", "true")];

        var first = await gateway.Client.SqlAsync(batch, headers);
        var second = await gateway.Client.SqlAsync(batch, headers);

        AssertReplay(first, second);
        Assert.Equal("Serializable", second.Headers["Neon-Batch-Isolation-Level"]);
        Assert.Equal(2, await CountAsync(table));
    }

    [Fact]
    public async Task SentAgainToAnotherReplica_IsAnsweredWithTheRecord()
    {
        var table = await CreateTableAsync();
        var query = new { query = $"INSERT INTO {table} DEFAULT VALUES RETURNING id, random()" };
        await using var replica = await gateway.StartGatewayAsync();

        var first = await gateway.Client.SqlAsync(query, (Key, $"{table}/1"));
        var second = await replica.Client.SqlAsync(query, (Key, $"{table}/1"));

        AssertReplay(first, second);
        Assert.Equal(1, await CountAsync(table));
    }

    [Fact]
    public async Task SentManyTimesAtOnce_HasOneEffect()
    {
        var table = await CreateTableAsync();
        var query = new { query = $"INSERT INTO {table} SELECT 1 FROM pg_sleep(0.2) RETURNING id, random()" };

        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => gateway.Client.SqlAsync(query, (Key, $"{table}/1"))));

        Assert.Equal(1, await CountAsync(table));
        Assert.All(answers, answer => answer.Expect(HttpStatusCode.OK));
        Assert.Single(answers, answer => answer.Headers[Replayed] == "false");
        Assert.Single(answers.Select(answer => answer.Text).Distinct());
    }

    [Fact]
    public async Task AnotherRequestUnderTheKey_IsRefusedAndRunsNothing()
    {
        var table = await CreateTableAsync();
        var insert = $"INSERT INTO {table} (s) VALUES ($1)";
        var first = new { query = insert, @params = new[] { "a" } };
        (await gateway.Client.SqlAsync(first, (Key, $"{table}/1"))).Expect(HttpStatusCode.OK);

        Answer[] others =
        [
            await gateway.Client.SqlAsync(new { query = insert, @params = new[] { "b" } }, (Key, $"{table}/1")),
            await gateway.Client.SqlAsync(new { query = $"{insert} RETURNING id", @params = new[] { "a" } }, (Key, $"{table}/1")),
            await gateway.Client.SqlAsync(new { queries = new[] { first } }, (Key, $"{table}/1")),
            // Headers that change the answer are part of the request.
            await gateway.Client.SqlAsync(first, (Key, $"{table}/1"), ("Neon-Raw-Text-Output", "true")),
            await gateway.Client.SqlAsync(first, (Key, $"{table}/1"), ("Neon-Array-Mode", "true")),
            await gateway.Client.PostAsync("execute", new { activityId = $"{table}/1", sql = insert, parameters = new[] { "a" } }),
        ];

        Assert.All(others[..^1], answer => answer.ExpectError(400, "activity_mismatch"));
        others[^1].ExpectProblem(422, "activity_mismatch");
        Assert.Equal(1, await CountAsync(table));
    }

    [Fact]
    public async Task RequestThatFailed_MayBeSentAgain()
    {
        var table = await CreateTableAsync();
        var query = new { query = $"INSERT INTO {table} (s) SELECT 1 / (SELECT count(*) FROM {table}) RETURNING id" };

        (await gateway.Client.SqlAsync(query, (Key, $"{table}/1"))).ExpectError(400, "22012");
        await gateway.ExecuteAsync($"INSERT INTO {table} DEFAULT VALUES");
        var second = await gateway.Client.SqlAsync(query, (Key, $"{table}/1"));

        second.Expect(HttpStatusCode.OK);
        Assert.Equal("false", second.Headers[Replayed]);
        Assert.Equal(2, await CountAsync(table));
    }

    [Fact]
    public async Task WithoutAKey_EachRequestTakesEffect()
    {
        var table = await CreateTableAsync();
        var query = new { query = $"INSERT INTO {table} DEFAULT VALUES" };

        var first = await gateway.Client.SqlAsync(query);
        var second = await gateway.Client.SqlAsync(query);

        Assert.All([first, second], answer => Assert.False(answer.Headers.ContainsKey(Replayed), answer.Expect(HttpStatusCode.OK).GetRawText()));
        Assert.Equal(2, await CountAsync(table));
    }

    [Theory]
    [InlineData("a key")]
    [InlineData("")]
    [InlineData("a\tb")]
    public async Task KeyThatIsNone_IsRefused(string key)
    {
        (await gateway.Client.SqlAsync(new { query = "SELECT 1" }, (Key, key))).ExpectError(400, "invalid_request");
    }

    [Fact]
    public async Task NoJournal_IsAnErrorThatSaysHowToInstallOne()
    {
        await using var bare = await RunningGateway.StartAsync($"--DSN={await gateway.CreateDatabaseWithoutJournalAsync()}");

        (await bare.Client.SqlAsync(new { query = "SELECT 1" })).Expect(HttpStatusCode.OK);
        (await bare.Client.SqlAsync(new { query = "SELECT 1" }, (Key, "k"))).ExpectError(400, "journal_missing");
    }

    private static void AssertReplay(Answer first, Answer second)
    {
        first.Expect(HttpStatusCode.OK);
        second.Expect(HttpStatusCode.OK);
        Assert.Equal(("false", "true"), (first.Headers[Replayed], second.Headers[Replayed]));
        Assert.Equal(first.Text, second.Text);
    }

    private Task<long> CountAsync(string table) => gateway.ReadAsync<long>($"SELECT count(*) FROM {table}");

    private async Task<string> CreateTableAsync()
    {
        var table = $"neon_once_{Interlocked.Increment(ref _tables)}";
        await gateway.ExecuteAsync($"CREATE TABLE {table} (id serial PRIMARY KEY, s text)");
        return table;
    }
}
