using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.Api.Callers;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>
/// Tests that a caller without a key gets nothing, that a caller with a key has its rights only, and that each caller
/// has its own activities.
/// </summary>
public sealed class CallerTests(CallersFixture gateway, GatewayFixture server) : IClassFixture<CallersFixture>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static TheoryData<string, string> RefusedCredentials
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (var endpoint in new[] { "query", "execute", "transaction", "find", "cancel" })
            {
                foreach (var credential in new[]
                {
                    "", "Basic KEY", "KEY", "ApiKey KEY", "Bearer", "Bearer ", "Bearer WRONG", "Bearer KEY KEY",
                    "Bearer KEY, Bearer KEY", "Bearer HASH", "Bearer CUT", "Bearer KEY=", "Bearer \"KEY\"",
                    "Bearer Bearer KEY", "Bearer LOWER",
                })
                    cases.Add(endpoint, credential);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(RefusedCredentials))]
    public async Task RefusedCredential_IsAnsweredWith401AndNothingIsAsked(string endpoint, string credential)
    {
        var hasToken = credential.StartsWith("Bearer", StringComparison.Ordinal);
        var header = credential.Replace("KEY", gateway.Writer).Replace("WRONG", ApiKey.New())
            .Replace("HASH", ApiKey.WriteHash(gateway.Writer)).Replace("CUT", gateway.Writer[..^1])
            .Replace("LOWER", gateway.Writer.ToLowerInvariant());

        var answer = await gateway.AskNothingAsync(() => SendAsync(endpoint, "default", header));

        var problem = answer.ExpectProblem(401, "unauthenticated");
        Assert.Equal(hasToken ? "Bearer error=\"invalid_token\"" : "Bearer", answer.Headers["WWW-Authenticate"]);
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.DoesNotContain(gateway.Writer[3..^1], answer.Text, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("reader", "execute", "default")]
    [InlineData("reader", "transaction", "default")]
    [InlineData("reader", "cancel", "default")]
    [InlineData("reader", "query", "reports")]
    [InlineData("reader", "execute", "reports")]
    [InlineData("reader", "readOnly", "reports")]
    [InlineData("reader", "find", "reports")]
    [InlineData("reader", "cancel", "reports")]
    [InlineData("writer", "execute", "reports")]
    [InlineData("writer", "transaction", "reports")]
    [InlineData("writer", "cancel", "reports")]
    [InlineData("writer", "query", "closed")]
    [InlineData("writer", "find", "closed")]
    [InlineData("writer", "query", "nowhere")]
    [InlineData("writer", "execute", "nowhere")]
    [InlineData("writer", "find", "nowhere")]
    [InlineData("writer", "cancel", "nowhere")]
    [InlineData("writer", "query", "Default")]
    [InlineData("nobody", "query", "default")]
    [InlineData("nobody", "execute", "default")]
    [InlineData("nobody", "transaction", "default")]
    [InlineData("nobody", "readOnly", "default")]
    [InlineData("nobody", "find", "default")]
    [InlineData("nobody", "cancel", "default")]
    [InlineData("nobody", "query", "nowhere")]
    public async Task MissingRight_IsAnsweredWith403AndNothingIsAsked(string caller, string endpoint, string connection)
    {
        var answer = await gateway.AskNothingAsync(() => SendAsync(endpoint, connection, $"Bearer {KeyOf(caller)}"));

        var problem = answer.ExpectProblem(403, "forbidden");
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.False(answer.Headers.ContainsKey("WWW-Authenticate"));
    }

    /// <summary>Otherwise callers could find out the names of connections.</summary>
    [Fact]
    public async Task ConnectionThatIsNotOnesOwn_LooksLikeOneThatIsNot()
    {
        var closed = (await SendAsync("query", "closed", $"Bearer {gateway.Writer}")).ExpectProblem(403, "forbidden");
        var nowhere = (await SendAsync("query", "nowhere", $"Bearer {gateway.Writer}")).ExpectProblem(403, "forbidden");

        Assert.Equal(
            closed.GetProperty("detail").GetString(), nowhere.GetProperty("detail").GetString()!.Replace("nowhere", "closed"));
    }

    [Theory]
    [InlineData("reader", "query", "default", 200)]
    [InlineData("reader", "readOnly", "default", 200)]
    [InlineData("reader", "find", "default", 404)]
    [InlineData("writer", "query", "default", 200)]
    [InlineData("writer", "readOnly", "default", 200)]
    [InlineData("writer", "execute", "default", 200)]
    [InlineData("writer", "transaction", "default", 200)]
    [InlineData("writer", "find", "default", 404)]
    [InlineData("writer", "cancel", "default", 404)]
    [InlineData("writer", "query", "reports", 200)]
    [InlineData("writer", "readOnly", "reports", 200)]
    [InlineData("writer", "find", "reports", 404)]
    public async Task Right_IsEnough(string caller, string endpoint, string connection, int status)
    {
        var before = gateway.Asked.RoundTrips;

        var answer = await SendAsync(endpoint, connection, $"Bearer {KeyOf(caller)}");

        Assert.True((int)answer.Status == status, answer.Text);
        if (status == 404)
            answer.ExpectProblem(404, "activity_not_found");
        // The counter of round trips works.
        Assert.True(gateway.Asked.RoundTrips > before);
    }

    [Theory]
    [InlineData("bearer")]
    [InlineData("BEARER")]
    [InlineData("Bearer ")]
    public async Task Scheme_IsReadAsHttpHasIt(string scheme) =>
        (await SendAsync("query", "default", $"{scheme} {gateway.Reader}")).Expect(HttpStatusCode.OK);

    [Theory]
    [InlineData("text/plain", "SELECT 1")]
    [InlineData("application/json", "{")]
    [InlineData("application/json", "{\"sqll\": 1}")]
    public async Task FaultyRequest_IsNoBodysBusinessWithoutAKey(string type, string body)
    {
        using var client = new GatewayClient(gateway.Address);

        (await client.SendAsync("query", new StringContent(body, Encoding.UTF8, type))).ExpectProblem(401, "unauthenticated");
    }

    /// <summary>A client that sends Expect: 100-continue gets its answer before the body is read.</summary>
    [Theory]
    [InlineData(false, "HTTP/1.1 401 Unauthorized")]
    [InlineData(true, "HTTP/1.1 100 Continue")]
    public async Task Body_IsNotReadWithoutAKey(bool hasKey, string expected)
    {
        var key = hasKey ? $"Authorization: Bearer {gateway.Reader}\r\n" : "";

        var line = await CallerRequest.SendHeadAsync(gateway.Address, $"{key}Content-Length: 1000\r\nExpect: 100-continue\r\n");

        Assert.Equal(expected, line);
    }

    [Theory]
    [InlineData("Authorization: Bearer KEY\r\n", 200)]
    [InlineData("Authorization: Bearer KEY\r\nAuthorization: Bearer KEY\r\n", 401)]
    [InlineData("Authorization: Bearer KEY\r\nauthorization: Basic eDp5\r\n", 401)]
    [InlineData("Authorization: Basic eDp5\r\nAuthorization: Bearer KEY\r\n", 401)]
    [InlineData("Authorization: Bearer \u00c3\u00a9KEY\r\n", 401)]
    public async Task TwoHeadersOrOtherText_AreNoKey(string headers, int status)
    {
        const string Body = """{"activityId": "a", "sql": "SELECT 1"}""";

        var line = await CallerRequest.SendHeadAsync(
            gateway.Address, $"{headers.Replace("KEY", gateway.Reader)}Content-Length: {Body.Length}\r\n", Body);

        Assert.StartsWith($"HTTP/1.1 {status} ", line);
    }

    [Theory]
    [InlineData("/healthz/live")]
    [InlineData("/healthz/ready")]
    [InlineData("/healthz/startup")]
    [InlineData("/openapi.yaml")]
    [InlineData("/openapi.json")]
    [InlineData("/swagger/index.html")]
    public async Task ProbesAndTheContract_NeedNoKey(string path)
    {
        using var client = new GatewayClient(gateway.Address);

        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(path)).Status);
    }

    [Theory]
    [InlineData("Bearer nonsense")]
    [InlineData("Basic eDp5")]
    [InlineData("Bearer")]
    public async Task NoCallerConfigured_CredentialsAreIgnored(string credential)
    {
        (await SendAsync("execute", "default", credential, server.Address)).Expect(HttpStatusCode.OK);
        (await SendAsync("query", "nowhere", credential, server.Address)).ExpectProblem(404, "connection_not_found");
    }

    [Fact]
    public async Task OneIdOfTwoCallers_IsTwoActivities()
    {
        using var writer = gateway.As(gateway.Writer);
        using var second = gateway.As(gateway.Second);
        var request = new { activityId = "callers/one-id", sql = CallerRequest.Write };

        var first = await writer.PostAsync("execute", request);
        var others = await second.PostAsync("execute", request);
        var again = new[] { await writer.PostAsync("execute", request), await second.PostAsync("execute", request) };

        Assert.Equal(["false", "false"], new[] { first, others }.Select(answer => answer.Headers["Idempotent-Replayed"]));
        Assert.NotEqual(first.Text, others.Text);
        Assert.Equal(["true", "true"], again.Select(answer => answer.Headers["Idempotent-Replayed"]));
        Assert.Equal([first.Text, others.Text], again.Select(answer => answer.Text));
        // Another caller's request under the same ID is no mismatch.
        (await writer.PostAsync("execute", new { activityId = "callers/mine", sql = CallerRequest.Write })).Expect(HttpStatusCode.OK);
        (await second.PostAsync("execute", new { activityId = "callers/mine", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Activity_IsFoundAndCancelledByItsCallerOnly()
    {
        const string Id = "callers/running";
        using var writer = gateway.As(gateway.Writer);
        using var second = gateway.As(gateway.Second);
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);

        var running = writer.PostAsync("execute", new { activityId = Id, sql = $"SELECT 1 AS n FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        (await second.FindActivityAsync(Id)).ExpectProblem(404, "activity_not_found");
        (await second.CancelActivityAsync(Id)).ExpectProblem(404, "activity_not_found");
        Assert.Equal("running", (await writer.FindActivityAsync(Id)).Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);

        (await second.FindActivityAsync(Id)).ExpectProblem(404, "activity_not_found");
        Assert.Equal("completed", (await writer.FindActivityAsync(Id)).Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        Assert.Equal("completed", (await writer.CancelActivityAsync(Id)).Expect(HttpStatusCode.OK).GetProperty("status").GetString());
    }

    [Fact]
    public async Task BothKeysOfACaller_AreTheSameCaller()
    {
        using var one = gateway.As(gateway.Second);
        using var other = gateway.As(gateway.SecondsOther);
        var request = new { activityId = "callers/both-keys", sql = CallerRequest.Write };

        var first = await one.PostAsync("execute", request);
        var again = await other.PostAsync("execute", request);

        Assert.Equal("true", again.Headers["Idempotent-Replayed"]);
        Assert.Equal(first.Text, again.Text);
    }

    [Fact]
    public async Task Rotation_KeepsTheCallerAndEndsTheOldKey()
    {
        var (old, young) = (ApiKey.New(), ApiKey.New());
        string?[][] keysOverTime = [[old], [old, young], [null, young]];
        var request = new { activityId = "callers/rotation", sql = CallerRequest.Write };
        var answers = new List<Answer>();
        foreach (var keys in keysOverTime)
        {
            await using var replica = await RunningGateway.StartAsync(
                [$"--DSN={gateway.Dsn}", .. CallersFixture.Settings("rotating", keys, "default=write")]);
            foreach (var key in new[] { old, young })
            {
                using var client = new GatewayClient(replica.Address, key);
                var answer = await client.PostAsync("execute", request);
                if (keys.Contains(key))
                    answers.Add(answer);
                else
                    answer.ExpectProblem(401, "unauthenticated");
            }
        }

        Assert.Equal(["false", "true", "true", "true"], answers.Select(answer => answer.Headers["Idempotent-Replayed"]));
        Assert.Single(answers.Select(answer => answer.Text).Distinct());
    }

    [Fact]
    public async Task FullQueue_MakesRoomForAnotherCaller()
    {
        var (busy, other) = (ApiKey.New(), ApiKey.New());
        await using var narrow = await RunningGateway.StartAsync(
        [
            $"--DSN={gateway.Dsn}", "--Gateway:Connections:default:PoolSize=1", "--Gateway:Connections:default:QueueLimit=3",
            .. CallersFixture.Settings("busy", [busy], "default=write"), .. CallersFixture.Settings("other", [other], "default=write"),
        ]);
        using var busys = new GatewayClient(narrow.Address, busy);
        using var others = new GatewayClient(narrow.Address, other);
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var held = new { activityId = "callers/held", sql = $"SELECT 1 AS n FROM {turnstile.Pass}" };

        // One request runs, and if a fifth is refused, three wait.
        var all = Enumerable.Range(0, 5).Select(_ => busys.PostAsync("query", held)).ToHashSet();
        var refused = await Task.WhenAny(all).WaitAsync(Patience);
        (await refused).ExpectProblem(503, "saturated");
        all.Remove(refused);
        var late = others.PostAsync("query", held);
        var gaveWay = await Task.WhenAny([late, .. all]).WaitAsync(Patience);

        Assert.NotSame(late, gaveWay);
        (await gaveWay).ExpectProblem(503, "saturated");
        all.Remove(gaveWay);
        await turnstile.OpenAsync();
        foreach (var answer in await Task.WhenAll([late, .. all]).WaitAsync(Patience))
            answer.Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("postgresql://any@host/default", "", 401)]
    [InlineData("postgresql://any:@host/default", "", 401)]
    [InlineData("postgresql://any:WRONG@host/default", "", 401)]
    [InlineData("nonsense", "", 401)]
    [InlineData("", "", 401)]
    [InlineData("postgresql://any:READER@host/default", "Bearer WRONG", 401)]
    [InlineData("postgresql://any:READER@host/reports", "", 403)]
    [InlineData("postgresql://any:READER@host/nowhere", "", 403)]
    [InlineData("postgresql://any:NOBODY@host/default", "", 403)]
    [InlineData("postgresql://any:WRONG@host/default", "Bearer NOBODY", 403)]
    public async Task SqlOverHttp_IsRefusedAlike(string connectionString, string credential, int status)
    {
        var answer = await gateway.AskNothingAsync(() => SqlAsync(Fill(connectionString), Fill(credential), "SELECT 1"));

        Assert.Equal(status, (int)answer.Status);
        Assert.Equal(status == 401 ? "unauthenticated" : "forbidden", answer.Json.GetProperty("code").GetString());
        Assert.DoesNotContain("gw_", answer.Text);
    }

    [Theory]
    [InlineData("postgresql://any:READER@host/default", "", "SELECT 1", 200)]
    [InlineData("postgresql://any@host/default", "Bearer READER", "SELECT 1", 200)]
    [InlineData("postgresql://any:WRITER@host/default", "", CallerRequest.Write, 200)]
    [InlineData("postgresql://any:READER@host/default", "", CallerRequest.Write, 400)]
    [InlineData("postgresql://any:WRITER@host/reports", "", CallerRequest.Write, 400)]
    public async Task SqlOverHttp_MayDoWhatItsKeyHasTheRightTo(string connectionString, string credential, string sql, int status)
    {
        var answer = await SqlAsync(Fill(connectionString), Fill(credential), sql);

        Assert.True((int)answer.Status == status, answer.Text);
        if (status == 400)
            Assert.Equal("25006", answer.Json.GetProperty("code").GetString());
    }

    /// <summary>Uses a key from the command, and a log at the most detailed level.</summary>
    [Fact]
    public async Task KeyOfTheCommand_LetsInAndIsInNoLog()
    {
        var command = await GatewayProcess.RunAsync(new Dictionary<string, string>(), "key", "new");
        Assert.Equal(0, command.ExitCode);
        var words = command.Output.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        var (key, hash) = (words[Array.IndexOf(words, "key:") + 1], words[Array.IndexOf(words, "hash:") + 1]);
        var wrong = ApiKey.New();
        var address = new Uri($"http://127.0.0.1:{Ports.PickFree()}");

        await using var logging = await GatewayProcess.StartAsync(
            new Dictionary<string, string>
            {
                ["DSN"] = gateway.Dsn,
                ["Gateway__Callers__orders.eu-1__Keys__0"] = hash,
                ["Gateway__Callers__orders.eu-1__Connections__default"] = "read",
                ["Serilog__MinimumLevel__Default"] = "Verbose",
                ["Serilog__MinimumLevel__Override__Microsoft"] = "Verbose",
                ["Serilog__MinimumLevel__Override__System"] = "Verbose",
            },
            "--urls", address.ToString());
        var answers = new[]
        {
            await SendAsync("query", "default", $"Bearer {key}", address),
            await SendAsync("execute", "default", $"Bearer {key}", address),
            await SendAsync("query", "default", $"Bearer {wrong}", address),
            await SendAsync("query", "default", $"Basic {wrong}", address),
            await SendAsync("query", "default", $"Bearer {hash}", address),
            await SqlAsync($"postgresql://any:{key}@host/default", "", "SELECT 1", address),
            await SqlAsync($"postgresql://any:{key}@host/default", "", "SELEKT", address),
            await SqlAsync($"postgresql://any:{wrong}@host/default", "", "SELECT 1", address),
            await SqlAsync($"://any:{key}@host/default", $"Bearer {key}", "SELECT 1", address),
        };
        Assert.Equal(0, await logging.TerminateAsync());

        Assert.Equal([200, 403, 401, 401, 401, 200, 400, 401, 400], answers.Select(answer => (int)answer.Status));
        var shown = logging.Output + logging.Errors
            + string.Concat(answers.Select(answer => answer.Text + string.Join(' ', answer.Headers)));
        foreach (var secret in new[] { key, wrong, hash })
            Assert.DoesNotContain(secret[3..], shown, StringComparison.OrdinalIgnoreCase);
        var lines = logging.Output.Split('\n').Where(line => line.Contains("\"Route\":\"/v1/", StringComparison.Ordinal))
            .Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        // A log line is written after the answer, and so perhaps after the next request's line.
        Assert.Equal(
            ["200 orders.eu-1", "401 ", "401 ", "401 ", "403 orders.eu-1"],
            lines.Select(line => $"{line.GetProperty("Status").GetInt32()} {line.GetProperty("Caller").GetString()}").Order());
    }

    private string KeyOf(string caller) => caller switch
    {
        "reader" => gateway.Reader,
        "writer" => gateway.Writer,
        _ => gateway.Nobody,
    };

    private string Fill(string text) => text.Replace("READER", gateway.Reader).Replace("WRITER", gateway.Writer)
        .Replace("NOBODY", gateway.Nobody).Replace("WRONG", ApiKey.New());

    private async Task<Answer> SendAsync(string endpoint, string connection, string authorization, Uri? address = null)
    {
        using var request = CallerRequest.Of(endpoint, connection, $"callers/{Guid.NewGuid()}");
        return await SendAsync(request, authorization, address);
    }

    private async Task<Answer> SqlAsync(string connectionString, string authorization, string sql, Uri? address = null)
    {
        using var request = CallerRequest.OfSql(connectionString, sql);
        return await SendAsync(request, authorization, address);
    }

    private async Task<Answer> SendAsync(HttpRequestMessage request, string authorization, Uri? address)
    {
        using var client = new HttpClient { BaseAddress = address ?? gateway.Address };
        if (authorization.Length > 0)
            Assert.True(request.Headers.TryAddWithoutValidation("Authorization", authorization));
        using var response = await client.SendAsync(request);
        return await Answer.ReadAsync(response);
    }
}
