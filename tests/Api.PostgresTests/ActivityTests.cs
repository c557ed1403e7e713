using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that any replica returns the status of an activity.</summary>
public sealed class ActivityTests(GatewayFixture gateway)
{
    [Fact]
    public async Task CompletedActivity_ShowsItsAnswerByteForByte()
    {
        await using var replica = await gateway.StartGatewayAsync();
        var before = await gateway.ReadAsync<DateTime>("SELECT now()");

        var answer = await gateway.Client.PostAsync(
            "execute",
            new { activityId = "completed/1", sql = """SELECT 1.50 AS n, 'é<&>' AS text, '{"b": 1,  "a":2}'::json AS doc, clock_timestamp() AS at, 'NaN'::float8 AS nan""" });
        answer.Expect(HttpStatusCode.OK);

        foreach (var client in new[] { gateway.Client, replica.Client })
        {
            var activity = await client.FindActivityAsync("completed/1");
            var found = activity.Expect(HttpStatusCode.OK);
            Assert.Equal("completed/1", found.GetProperty("activityId").GetString());
            Assert.Equal("completed", found.GetProperty("status").GetString());
            Assert.Equal(answer.Text, found.GetProperty("response").GetRawText());
            var recorded = found.GetProperty("recordedAt").GetDateTimeOffset();
            Assert.InRange(recorded, before, await gateway.ReadAsync<DateTime>("SELECT clock_timestamp()"));
            Assert.InRange(found.GetProperty("expiresAt").GetDateTimeOffset() - recorded, TimeSpan.FromDays(6.99), TimeSpan.FromDays(7));
            Assert.False(found.TryGetProperty("runningSince", out _));
            Assert.Equal("application/json", activity.MediaType);
        }
    }

    [Theory]
    [InlineData("query")]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task RunningActivity_IsSeenByEachReplicaAndByADba(string endpoint)
    {
        var id = $"running/{endpoint}";
        await using var replica = await gateway.StartGatewayAsync();
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        (await replica.Client.FindActivityAsync(id)).ExpectProblem(404, "activity_not_found");
        var before = await gateway.ReadAsync<DateTime>("SELECT now()");

        var running = StartAsync(endpoint, id, $"SELECT 1 AS a FROM {turnstile.Pass}");
        await turnstile.HoldsAsync(1);

        foreach (var client in new[] { gateway.Client, replica.Client })
        {
            var found = (await client.FindActivityAsync(id)).Expect(HttpStatusCode.OK);
            Assert.Equal("running", found.GetProperty("status").GetString());
            Assert.InRange(
                found.GetProperty("runningSince").GetDateTimeOffset(), before, await gateway.ReadAsync<DateTime>("SELECT clock_timestamp()"));
            Assert.False(found.TryGetProperty("response", out _));
        }
        var tag = await gateway.ReadAsync<string>($"SELECT application_name FROM pg_stat_activity WHERE query LIKE '%{turnstile.Pass}' AND pid <> pg_backend_pid()");
        Assert.Matches($"^gateway:{id}:[0-9a-f]{{12}}$", tag);

        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
        var after = await replica.Client.FindActivityAsync(id);
        if (endpoint == "query")
            after.ExpectProblem(404, "activity_not_found");
        else
            Assert.Equal((await running).Text, after.Expect(HttpStatusCode.OK).GetProperty("response").GetRawText());
        Assert.Equal(0, await gateway.ReadAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{tag}'"));
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("a%2Fb")]
    [InlineData("a%2fb")]
    [InlineData("a%252Fb")]
    [InlineData("/")]
    [InlineData("//a//")]
    [InlineData("../x")]
    [InlineData("cancel")]
    [InlineData("a/cancel")]
    [InlineData("100%")]
    [InlineData("a+b")]
    [InlineData("a?connection=x#y&z")]
    [InlineData("'; DROP TABLE users; --\"")]
    [InlineData("!\"#$%&'()*+,-./0:;<=>?@[\\]^_`{|}~")]
    public async Task IdOfAnyCharacters_IsFoundUnderItself(string id)
    {
        id = id.Replace(" ", "");

        await ExpectOwnRecordAsync(id, Uri.EscapeDataString(id));
        await ExpectOwnRecordAsync(id, string.Concat(id.Select(character => $"%{(int)character:x2}")));
    }

    [Fact]
    public async Task IdsThatShareABeginning_AreApart()
    {
        var long1 = $"{new string('a', 254)}1";
        var long2 = $"{new string('a', 254)}2";

        await ExpectOwnRecordAsync(long1, long1);
        (await gateway.Client.FindActivityAsync(long2)).ExpectProblem(404, "activity_not_found");
        await ExpectOwnRecordAsync(long2, long2);
    }

    [Theory]
    [InlineData("a%20b")]
    [InlineData("%C3%A9")]
    [InlineData("%7F")]
    public async Task IdThatCannotBe_IsRefused(string path)
    {
        (await gateway.Client.GetAsync($"/v1/activities/{path}")).ExpectProblem(400, "invalid_request");
        (await gateway.Client.SendAsync($"activities/{path}/cancel", new ByteArrayContent([]))).ExpectProblem(400, "invalid_request");
    }

    [Fact]
    public async Task IdThatIsTooLong_IsRefused() =>
        (await gateway.Client.FindActivityAsync(new string('a', 256))).ExpectProblem(400, "invalid_request");

    [Fact]
    public async Task UnknownConnection_IsNotFound()
    {
        (await gateway.Client.FindActivityAsync("a", "?connection=nowhere")).ExpectProblem(404, "connection_not_found");
        (await gateway.Client.CancelActivityAsync("a", "?connection=nowhere")).ExpectProblem(404, "connection_not_found");
    }

    [Fact]
    public async Task SameIdOnAnotherConnection_IsAnotherActivity()
    {
        await using var several = await gateway.StartGatewayAsync($"--Gateway:Connections:other:Dsn={gateway.Dsn}");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);

        var other = several.Client.PostAsync("execute", new { activityId = "elsewhere", connection = "other", sql = $"SELECT 2 AS a FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        (await several.Client.FindActivityAsync("elsewhere")).ExpectProblem(404, "activity_not_found");
        (await several.Client.CancelActivityAsync("elsewhere")).ExpectProblem(404, "activity_not_found");
        (await several.Client.PostAsync("execute", new { activityId = "elsewhere", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);

        Assert.Equal("completed", await StatusAsync(several.Client, "elsewhere"));
        Assert.Equal("running", await StatusAsync(several.Client, "elsewhere", "?connection=other"));
        await turnstile.OpenAsync();
        (await other).Expect(HttpStatusCode.OK);
        Assert.Equal("completed", await StatusAsync(several.Client, "elsewhere", "?connection=other"));
    }

    [Fact]
    public async Task FailedActivity_IsNotFound()
    {
        (await gateway.Client.PostAsync("execute", new { activityId = "failed/1", sql = "SELECT 1 / 0" })).ExpectProblem(422, "sql_error");

        (await gateway.Client.FindActivityAsync("failed/1")).ExpectProblem(404, "activity_not_found");
    }

    [Fact]
    public async Task ActivityWithoutAJournal_IsSeenWhileItRuns()
    {
        var dsn = await gateway.CreateDatabaseWithoutJournalAsync();
        await using var bare = await gateway.StartGatewayAsync($"--DSN={dsn}");
        await using var turnstile = await Turnstile.CloseAsync(dsn);
        (await bare.Client.FindActivityAsync("bare")).ExpectProblem(404, "activity_not_found");

        var running = bare.Client.PostAsync("query", new { activityId = "bare", sql = $"SELECT 1 FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);

        Assert.Equal("running", await StatusAsync(bare.Client, "bare"));
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
    }

    private async Task ExpectOwnRecordAsync(string id, string path)
    {
        // Executed once, and found by both spellings of the ID.
        var answer = await gateway.Client.PostAsync("execute", new { activityId = id, sql = "SELECT 'of its own' AS answer" });
        answer.Expect(HttpStatusCode.OK);

        var found = (await gateway.Client.GetAsync($"/v1/activities/{path}?connection=default")).Expect(HttpStatusCode.OK);

        Assert.Equal(id, found.GetProperty("activityId").GetString());
        Assert.Equal(answer.Text, found.GetProperty("response").GetRawText());
    }

    private Task<Answer> StartAsync(string endpoint, string activityId, string sql) => endpoint == "transaction"
        ? gateway.Client.TransactionAsync(activityId, sql)
        : gateway.Client.PostAsync(endpoint, new { activityId, sql });

    private static async Task<string?> StatusAsync(GatewayClient client, string id, string query = "")
    {
        JsonElement found = (await client.FindActivityAsync(id, query)).Expect(HttpStatusCode.OK);
        return found.GetProperty("status").GetString();
    }
}
