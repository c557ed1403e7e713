using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Api.Callers;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests the line of each request in the log of a gateway that was started as a process.</summary>
public sealed partial class LogTests(GatewayFixture fixture) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly string _key = ApiKey.New();
    private readonly Uri _address = new($"http://127.0.0.1:{Ports.PickFree().ToString(CultureInfo.InvariantCulture)}");
    private readonly string _id = $"logs/{Guid.NewGuid()}";
    private GatewayProcess? _process;
    private GatewayClient? _client;

    /// <summary>The line of the caller that disconnects.</summary>
    private const string CallerLeft = "POST /v1/query   orders default";

    private GatewayClient Client => _client!;

    public async ValueTask InitializeAsync()
    {
        _process = await GatewayProcess.StartAsync(
            new Dictionary<string, string>
            {
                ["DSN"] = fixture.Dsn,
                ["Gateway__Callers__orders__Keys__0"] = ApiKey.WriteHash(_key),
                ["Gateway__Callers__orders__Connections__default"] = "write",
                ["Gateway__Callers__orders__Connections__reports"] = "read",
                ["Gateway__Connections__reports__Dsn"] = fixture.Dsn,
                ["Gateway__Connections__default__PoolSize"] = "1",
                ["Gateway__Connections__default__QueueLimit"] = "0",
                ["Gateway__BodyLimitBytes"] = "2048",
            },
            "--urls", _address.ToString());
        _client = new GatewayClient(_address, _key);
    }

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        if (_process is not null)
            await _process.DisposeAsync();
    }

    [Fact]
    public async Task EachRequest_HasOneLineAndTheDocumentationsProperties()
    {
        await RunAllAsync();
        await Client.GetAsync("/healthz/live");

        var lines = await LinesAsync(22);
        var described = lines.Select(Describe).Order(StringComparer.Ordinal).ToArray();
        Assert.True(
            described.SequenceEqual(new[]
            {
                "POST /v1/query 200  orders default",
                "POST /v1/query 200  orders default",
                "POST /v1/execute 200  orders default",
                "POST /v1/execute 200  orders default",
                "POST /v1/transaction 200  orders default",
                "POST /sql 200  orders default",
                "POST /sql 400 sql_error orders default",
                "POST /v1/query 422 sql_error orders default",
                "POST /v1/query 504 deadline_exceeded orders default",
                "POST /v1/query 403 forbidden orders ",
                "POST /v1/query 400 invalid_request orders ",
                "POST /v1/query 413 body_too_large orders ",
                "POST /v1/query 415 unsupported_media_type orders ",
                "POST /v1/execute 403 forbidden orders ",
                "POST /v1/query 401 unauthenticated  ",
                "GET /v1/activities/{activityId} 404 activity_not_found orders default",
                "GET (none) 404 endpoint_not_found  ",
                "_OTHER (none) 404 endpoint_not_found  ",
                "GET (none) 405 method_not_allowed  ",
                "POST /v1/query 503 saturated orders default",
                CallerLeft,
                "POST /v1/query 200  orders default",
            }.Order(StringComparer.Ordinal)),
            string.Join('\n', [.. described, _process!.Output]));
        Assert.Equal(["Warning"], lines.Where(line => line.TryGetProperty("@l", out _)).Select(line => line.GetProperty("@l").GetString()));
        Assert.Equal("saturated", lines.Single(line => line.TryGetProperty("@l", out _)).GetProperty("Code").GetString());
        Assert.Equal(
            await DocumentedAsync(),
            lines.SelectMany(line => line.EnumerateObject().Select(property => property.Name)).Distinct().Order(StringComparer.Ordinal));
        AssertValues(lines);
    }

    /// <summary>
    /// Text in any place that a caller controls adds no line, no line that is not JSON, and no unknown property.
    /// </summary>
    [Fact]
    public async Task HostileText_MakesNoLineAndNoProperty()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var documented = (await DocumentedAsync()).ToHashSet();
        var sent = new List<string>();
        var taken = 0;
        for (var request = 0; request < 240; request++)
        {
            var id = Text(random, ' ', visibleOnly: true);
            sent.Add(id);
            if (await SendRawAsync(random, id, request))
                taken++;
        }

        Assert.True(taken > 60, $"The gateway took {taken} of them (seed {seed}).");
        var lines = await LinesAsync(taken);
        foreach (var line in lines)
        {
            Assert.All(line.EnumerateObject(), property => Assert.True(documented.Contains(property.Name), $"{property.Name} (seed {seed})"));
            Assert.True(Templates().IsMatch(line.GetProperty("@mt").GetString()!), $"{line} (seed {seed})");
        }
        var logged = lines.Select(line => line.GetProperty("ActivityId").GetString()).OfType<string>().ToArray();
        Assert.True(logged.Count(sent.Contains) > 20, $"{string.Join(' ', logged)} (seed {seed})");
        Assert.All(logged, id => Assert.True(id.All(character => character is >= '!' and <= '~'), $"{id} (seed {seed})"));
        // The complete output; reading has already failed for a line that is not JSON.
        Assert.DoesNotContain("canary", _process!.Output, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(_process.Output, character => char.IsControl(character) && character is not ('\n' or '\r'));
        Assert.Empty(_process.Errors);
    }

    private async Task RunAllAsync()
    {
        await Client.QueryAsync("SELECT 1");
        await Client.SendAsync("query", Json(new { activityId = _id, sql = "SELECT generate_series(1, 3)" }), ("Accept", "text/csv"));
        var once = new { activityId = _id, attempt = 2, sql = "SELECT 2" };
        await Client.PostAsync("execute", once);
        await Client.PostAsync("execute", once);
        var lost = $"lost_{Guid.NewGuid():N}";
        await fixture.ExecuteAsync($"CREATE SEQUENCE {lost}");
        await Client.TransactionAsync(
            $"{_id}/lost", $"DO $$ BEGIN IF nextval('{lost}') < 2 THEN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END IF; END $$");
        foreach (var sql in new[] { "SELECT 3", "SELEKT" })
        {
            await Client.SendToAsync(
                "/sql", Json(new { query = sql, @params = Array.Empty<string>() }), ("Neon-Connection-String", $"postgresql://any:{_key}@host/default"));
        }
        await Client.PostAsync("query", new { activityId = _id, sql = "SELEKT" });
        await Client.PostAsync("query", new { activityId = _id, sql = "SELECT pg_sleep(10)", timeoutMs = 1000 });
        await Client.PostAsync("query", new { activityId = _id, sql = "SELECT 1", connection = "nowhere" });
        await Client.PostAsync("query", "{");
        await Client.PostAsync("query", new { activityId = _id, sql = new string('x', 3000) });
        await Client.SendAsync("query", new StringContent("x", Encoding.UTF8, "text/plain"));
        await Client.PostAsync("execute", new { activityId = _id, sql = "SELECT 1", connection = "reports" });
        using (var stranger = new GatewayClient(_address))
            await stranger.PostAsync("query", new { activityId = _id, sql = "SELECT 1" });
        await Client.FindActivityAsync("nothing");
        await Client.GetAsync("/nowhere");
        using (var odd = new HttpRequestMessage(new HttpMethod("ODD"), "/nowhere"))
            (await Client.Http.SendAsync(odd)).Dispose();
        await Client.GetAsync("/v1/query");
        await LeaveAsync();
        await UntilFreeAsync();
    }

    /// <summary>
    /// Runs a caller that disconnects, and one that arrives while that one's statement has the only session.
    /// </summary>
    private async Task LeaveAsync()
    {
        await using var watch = await ActivityWatch.StartAsync(fixture.Dsn);
        var (marker, sql) = watch.Mark("SELECT pg_sleep(30)");
        using var leaving = new CancellationTokenSource();
        var left = Client.Http.PostAsync("/v1/query", Json(new { activityId = _id, sql }), leaving.Token);
        await watch.RunningAsync(marker);
        (await Client.PostAsync("query", new { activityId = _id, sql = "SELECT 1" })).ExpectProblem(503, "saturated");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
    }

    /// <summary>
    /// Waits until the session is free. The line of the caller that disconnected is written when its statement has
    /// ended.
    /// </summary>
    private async Task UntilFreeAsync()
    {
        await Poll.ReadAsync(
            () => Task.FromResult(string.Join(", ", ReadLines().TakeLast(5).Select(Describe))),
            lines => lines.Split(", ").Contains(CallerLeft),
            what: "the last lines have that of the caller that left");
        await Client.QueryAsync("SELECT 1");
    }

    private void AssertValues(IReadOnlyList<JsonElement> lines)
    {
        var executes = lines.Where(line => Describe(line).StartsWith("POST /v1/execute 200", StringComparison.Ordinal)).ToArray();
        var first = Assert.Single(executes, line => !line.TryGetProperty("Replayed", out _));
        Assert.True(Assert.Single(executes, line => line.TryGetProperty("Replayed", out _)).GetProperty("Replayed").GetBoolean());
        Assert.All(executes, line =>
        {
            Assert.Equal(_id, line.GetProperty("ActivityId").GetString());
            Assert.Equal(2, line.GetProperty("Attempt").GetInt32());
            Assert.InRange(line.GetProperty("Bytes").GetInt64(), 50, 1000);
        });
        Assert.True(first.GetProperty("Stages").GetProperty("commit").GetDouble() > 0);
        var retried = lines.Single(line => line.TryGetProperty("Runs", out _));
        Assert.Equal(("/v1/transaction", 2), (retried.GetProperty("Route").GetString(), retried.GetProperty("Runs").GetInt32()));
        var late = lines.Single(line => line.TryGetProperty("Code", out var code) && code.GetString() == "deadline_exceeded");
        Assert.InRange(late.GetProperty("Stages").GetProperty("execute").GetDouble(), 50, late.GetProperty("Elapsed").GetDouble());
        var stream = lines.Single(line => line.TryGetProperty("Rows", out var rows) && rows.ValueKind == JsonValueKind.Number && rows.GetInt64() == 3);
        Assert.True(stream.GetProperty("Bytes").GetInt64() > 0);
    }

    /// <summary>
    /// Waits for the given number of request lines, and reads them; all other lines must be JSON too.
    /// </summary>
    private async Task<IReadOnlyList<JsonElement>> LinesAsync(int count)
    {
        var (lines, _) = await Poll.TryReadAsync(() => Task.FromResult(ReadLines()), lines => lines.Length >= count);
        Assert.True(
            lines.Length == count, $"{count} lines were expected, and there are {lines.Length}: {_process!.Output}");
        return lines;
    }

    private JsonElement[] ReadLines() =>
    [
        .. _process!.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Where(line => !line.StartsWith("The gateway listens on", StringComparison.Ordinal))
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.TryGetProperty("Route", out _)),
    ];

    /// <summary>Returns the documented properties of lines that are not a probe's.</summary>
    private static async Task<IEnumerable<string>> DocumentedAsync() =>
        DocumentedProperty().Matches(await File.ReadAllTextAsync(Repository.PathOf("docs/logs-and-traces.md")))
            .Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal);

    private static string Describe(JsonElement line) => string.Join(' ', new[] { "Method", "Route", "Status", "Code", "Caller", "Connection" }
        .Select(name => line.TryGetProperty(name, out var value) ? value.ToString() : ""));

    private static ByteArrayContent Json(object value)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(value));
        content.Headers.ContentType = new("application/json");
        return content;
    }

    /// <summary>Sends a request that no client would send.</summary>
    /// <returns>Whether it reached the gateway: the server refuses invalid HTTP before that.</returns>
    private async Task<bool> SendRawAsync(Random random, string id, int request)
    {
        var sql = $"DO $x$ BEGIN RAISE EXCEPTION E'canary\\n{{}}\u001b[2J' ; END $x$ -- \n\r{Text(random, '\0')}";
        var body = request % 3 == 0 ? $$"""{"query": {{JsonSerializer.Serialize(sql)}}, "params": []}""" : JsonSerializer.Serialize(new
        {
            activityId = request % 3 == 1 ? id : Text(random, '\0'),
            connection = random.Next(2) == 0 ? "default" : Text(random, '\0'),
            sql,
        });
        var method = random.Next(4) == 0 ? "CANARY|{Route}" : "POST";
        var path = (request % 3, random.Next(4)) switch
        {
            (_, 0) => "/canary/%0A%1B[2J{Route}",
            (0, _) => "/sql",
            _ => "/v1/execute",
        };
        var head = $"{method} {path}?{{Caller}}=%0D%0Acanary HTTP/1.1\r\nHost: {(random.Next(4) == 0 ? "canary{Host}" : "localhost")}\r\n"
            + $"Authorization: Bearer {_key}\r\nNeon-Connection-String: postgresql://any@host/default\r\nConnection: close\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n"
            + $"User-Agent: canary{Text(random, '\t')}\r\ntraceparent: {Trace(random)}\r\ntracestate: canary={Text(random, '\t')}\r\n"
            + (request % 3 == 0 ? $"Idempotency-Key: {id}\r\n" : "") + "\r\n";

        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(_address.Host, _address.Port);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(head + body));
        using var reader = new StreamReader(stream);
        using var end = new CancellationTokenSource(Patience);
        var answer = await reader.ReadToEndAsync(end.Token);
        return answer.Contains("Server-Timing:", StringComparison.OrdinalIgnoreCase);
    }

    private static string Trace(Random random) => random.Next(3) switch
    {
        0 => "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        1 => "|canary.1.{Route}",
        _ => $"00-canary{Text(random, '\t')}-01",
    };

    /// <summary>Returns a few characters with a special meaning in some format.</summary>
    /// <param name="random">Draws them.</param>
    /// <param name="least">The minimum of the control characters that may be among them.</param>
    /// <param name="visibleOnly">Whether only visible ASCII characters are used.</param>
    private static string Text(Random random, char least, bool visibleOnly = false)
    {
        var characters = "\"'\\{}<>%$:;,@~`|[]mK0x" + (visibleOnly ? "" : " \u00e9\u0085\u2028\u202e\u009b")
            + (least <= '\t' ? "\t" : "") + (least == '\0' ? "\n\r\u001b\u0007\u0001" : "");
        return string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => characters[random.Next(characters.Length)]));
    }

    /// <summary>Matches a row of the first table: a property and its meaning.</summary>
    [GeneratedRegex(@"^\| `(@?[A-Za-z]+)` \| .* \| (?:all|where|those|failures|answers|replays).*\|$", RegexOptions.Multiline)]
    private static partial Regex DocumentedProperty();

    [GeneratedRegex(@"^\{Method\} \{Route\}(?: \{Status\}|: the caller left)")]
    private static partial Regex Templates();
}
