using System.Net;
using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Traces;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Puts recognisable secrets everywhere a secret may be, and searches for them in all output of the gateway.
/// </summary>
public sealed class SecretTests(GatewayFixture server) : IAsyncLifetime
{
    private const string InDsn = "canary-password-in-the-dsn";
    private const string InControlDsn = "canary-password-in-the-control-dsn";
    private const string InFile = "canary-password-in-a-file";
    private const string InParameter = "canary-parameter";
    private const string InSql = "canary-in-the-sql";

    private readonly string _passwordFile = Path.GetTempFileName();
    private readonly string _key = ApiKey.New();
    private readonly string _unknownKey = ApiKey.New();
    private readonly List<string> _answers = [];
    private readonly List<string> _activities = [];
    private string _database = "";
    private LoginRole? _role;
    private LoginRole? _other;

    public async ValueTask InitializeAsync()
    {
        _database = await server.CreateDatabaseWithoutJournalAsync();
        _role = await LoginRole.CreateAsync(_database, "");
        _other = await LoginRole.CreateAsync(_database, "");
        await SetPasswordAsync(_role.Name, InDsn);
        await SetPasswordAsync(_role.ControlName, InControlDsn);
        await SetPasswordAsync(_other.Name, InFile);
        await GatewayFixture.ExecuteAsync(_database, $"GRANT ALL ON ALL TABLES IN SCHEMA public TO {_role.Name}");
        await _role.InstallJournalAsync();
        await File.WriteAllTextAsync(_passwordFile, InFile);
    }

    public async ValueTask DisposeAsync()
    {
        await _role!.DisposeAsync();
        await _other!.DisposeAsync();
        File.Delete(_passwordFile);
    }

    [Fact]
    public async Task Secrets_AreNowhere()
    {
        await using var collector = await Collector.StartAsync();
        var port = Ports.PickFree();
        await using var gateway = await GatewayProcess.StartAsync(Environment(collector), $"--urls=http://127.0.0.1:{port}");
        var address = new Uri($"http://127.0.0.1:{port}");
        using (var caller = new GatewayClient(address, _key))
            await CallAsync(caller);
        foreach (var key in new[] { _unknownKey, $"{_key}x", "" })
        {
            using var stranger = new GatewayClient(address, key);
            await SendAsync(stranger, "query", new { activityId = "stranger", sql = "SELECT 1" });
        }
        // No new sessions are possible any more, with neither password.
        foreach (var role in new[] { _role!, _other! })
        {
            await SetPasswordAsync(role.Name, "changed");
            await GatewayFixture.ExecuteAsync(_database, $"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{role.Name}'");
        }
        using (var caller = new GatewayClient(address, _key))
        {
            foreach (var connection in new[] { "default", "other" })
                (await SendAsync(caller, "query", new { activityId = $"locked-out-{connection}", connection, sql = "SELECT 1" })).ExpectProblem(503, "database_unavailable");
            foreach (var path in new[] { "/healthz/live", "/healthz/ready", "/healthz/startup", "/metrics" })
                _answers.Add((await caller.GetAsync(path)).Text);
        }
        var arguments = await File.ReadAllTextAsync($"/proc/{gateway.Id}/cmdline");
        Assert.Equal(0, await gateway.TerminateAsync());

        Assert.All(_activities, activity => Assert.Contains(activity, gateway.Output));
        Assert.All(_activities, activity => Assert.Contains(activity, collector.Text));
        Assert.Contains(_answers, answer => answer.Contains("http_server_request_duration", StringComparison.Ordinal));
        var codeKey = await ReadCodeKeyAsync();
        foreach (var secret in new[] { codeKey, InDsn, InControlDsn, InFile, InParameter, _key, _unknownKey, ApiKey.WriteHash(_key) })
        {
            Assert.DoesNotContain(secret, gateway.Output, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(secret, gateway.Errors, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(secret, arguments, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(secret, collector.Text, StringComparison.OrdinalIgnoreCase);
            Assert.All(_answers, answer => Assert.DoesNotContain(secret, answer, StringComparison.OrdinalIgnoreCase));
        }
        Assert.DoesNotContain(InSql, gateway.Output + gateway.Errors + arguments + collector.Text);
        Assert.All(_answers, answer => Assert.DoesNotContain(InSql, answer));
    }

    /// <summary>Returns the key of the journal's codes, as PostgreSQL writes it.</summary>
    private async Task<string> ReadCodeKeyAsync()
    {
        await using var connection = await GatewayFixture.OpenAsync(_database);
        await using var command = new NpgsqlCommand(
            "SELECT encode(secret, 'hex') FROM gateway_journal_records.key ORDER BY id DESC LIMIT 1", connection);
        return (string)(await command.ExecuteScalarAsync())!;
    }

    private Task SetPasswordAsync(string role, string password) =>
        GatewayFixture.ExecuteAsync(_database, $"ALTER ROLE {role} PASSWORD '{password}'");

    private Dictionary<string, string> Environment(Collector collector) => new()
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.HttpAddress,
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["DSN"] = new NpgsqlConnectionStringBuilder(_role!.Dsn) { Password = InDsn }.ConnectionString,
        ["Gateway__Connections__default__ControlDsn"] = new NpgsqlConnectionStringBuilder(_role.ControlDsn) { Password = InControlDsn }.ConnectionString,
        ["Gateway__Connections__other__Dsn"] = new NpgsqlConnectionStringBuilder(_other!.Dsn) { Password = null }.ConnectionString,
        ["Gateway__Connections__other__PasswordFile"] = _passwordFile,
        ["Gateway__Callers__canary__Keys__0"] = ApiKey.WriteHash(_key),
        ["Gateway__Callers__canary__Connections__default"] = "write",
        ["Gateway__Callers__canary__Connections__other"] = "read",
        // All logs of the gateway itself, and ASP.NET Core's logs of requests.
        ["Serilog__MinimumLevel__Default"] = "Verbose",
        ["Serilog__MinimumLevel__Override__Microsoft"] = "Information",
    };

    /// <summary>Sends requests that succeed, and requests that fail in each way that quotes values.</summary>
    private async Task CallAsync(GatewayClient caller)
    {
        const string Comment = $"/* {InSql} */";
        (await SendAsync(caller, "query", new { activityId = "well", sql = $"SELECT length($1::text) AS a, length('{InSql}') {Comment}", parameters = new[] { InParameter } }))
            .Expect(HttpStatusCode.OK);
        foreach (var (name, sql) in new[]
        {
            ("syntax", "SELECT $1::int"),
            ("json", "SELECT $1::jsonb"),
            ("date", "SELECT $1::timestamptz"),
            ("unique", "INSERT INTO users (email, name) VALUES ($1, 'x'), ($1, 'x')"),
            ("check", "INSERT INTO orders (user_id, total) SELECT 1, -length($1)"),
            ("null", "INSERT INTO users (email, name) VALUES ($1, NULL)"),
            ("division", "SELECT set_config('search_path', $1, true) AS a, 1 / 0 AS b"),
            ("hint", "SELECT to_date($1, 'YYYY-MM-DD')"),
            ("table", "SELECT $1::regclass"),
        })
        {
            (await SendAsync(caller, "execute", new { activityId = name, sql = $"{sql} {Comment}", parameters = new[] { InParameter } }))
                .ExpectProblem(422, "sql_error");
        }
        await SendAsync(caller, "execute", new { activityId = "misspelt", sql = "SELECT 1", parametres = new[] { InParameter } });
        await SendAsync(caller, "execute", new { activityId = "too-many", sql = $"SELECT 1 {Comment}", parameters = new[] { InParameter } });
        await SendAsync(caller, "query", new { activityId = "slow", sql = $"SELECT pg_sleep(30), $1::text {Comment}", parameters = new[] { InParameter }, timeoutMs = 100 });
        await SendAsync(caller, "execute", new { activityId = "typed", sql = $"SELECT $1 {Comment}", parameters = new[] { InParameter }, parameterTypes = new[] { "uuid" } });
        foreach (var sql in new[] { "SELECT 1", "SELECT 2" })
            await SendAsync(caller, "execute", new { activityId = "mismatch", sql = $"{sql}, length($1) {Comment}", parameters = new[] { InParameter } });
        await SendAsync(caller, "execute", new { activityId = "forbidden", connection = "other", sql = Comment, parameters = new[] { InParameter } });
        await SendAsync(caller, "transaction", new
        {
            activityId = "several",
            statements = new[] { new { sql = $"SELECT 1 {Comment}", parameters = Array.Empty<string>() }, new { sql = $"SELECT $1::int {Comment}", parameters = new[] { InParameter } } },
        });
        _answers.Add((await caller.PostAsync("query", $$"""{"activityId": "broken", "sql": "{{InSql}}", "parameters": ["{{InParameter}}" """)).Text);
        await NeonAsync(caller, $"SELECT $1::int {Comment}");
        await NeonAsync(caller, $"INSERT INTO users (email, name) VALUES ($1, 'x'), ($1, 'x') {Comment}");
    }

    private async Task<Answer> SendAsync(GatewayClient caller, string endpoint, object request)
    {
        var answer = await caller.PostAsync(endpoint, request);
        if (JsonSerializer.SerializeToElement(request).GetProperty("activityId").GetString() is var activity && answer.Status != HttpStatusCode.Unauthorized)
            _activities.Add(activity!);
        return Note(answer);
    }

    private async Task NeonAsync(GatewayClient caller, string query)
    {
        var body = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(new { query, @params = new[] { InParameter } }));
        Note(await caller.SendToAsync("/sql", body, ("Neon-Connection-String", "postgresql://user@host/default")));
    }

    private Answer Note(Answer answer)
    {
        _answers.Add(string.Join('\n', answer.Headers.Select(header => $"{header.Key}: {header.Value}")) + answer.Text);
        return answer;
    }
}
