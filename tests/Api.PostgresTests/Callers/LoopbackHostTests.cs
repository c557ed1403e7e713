using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>
/// Tests that a gateway without callers serves only its own machine, and only under its loopback names.
/// </summary>
public sealed class LoopbackHostTests(GatewayFixture gateway, CallersFixture callers) : IClassFixture<CallersFixture>
{
    private const string Query = """{"activityId": "host", "sql": "SELECT 1 AS one"}""";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static TheoryData<string, string> Endpoints => new()
    {
        { "POST /v1/query", Query },
        { "POST /v1/execute", """{"activityId": "host", "sql": "CREATE TABLE rebound ()", "delivery": "at-least-once"}""" },
        { "POST /v1/transaction", """{"activityId": "host", "statements": [{"sql": "CREATE TABLE rebound ()"}]}""" },
        { "POST /sql", """{"query": "CREATE TABLE rebound ()", "params": []}""" },
        { "OPTIONS /sql", "" },
        { "GET /v1/activities/host", "" },
        { "POST /v1/activities/host/cancel", "" },
        { "GET /healthz/live", "" },
        { "GET /healthz/ready", "" },
        { "GET /healthz/startup", "" },
        { "GET /metrics", "" },
        { "GET /openapi.yaml", "" },
        { "GET /openapi.json", "" },
        { "GET /swagger/index.html", "" },
        { "GET /nowhere", "" },
    };

    [Theory]
    [MemberData(nameof(Endpoints))]
    public async Task NameOfAnother_IsServedByNoEndpoint(string endpoint, string body)
    {
        var origin = "Origin: http://rebound.example\r\nAccess-Control-Request-Method: POST\r\n";

        var (status, answer) = await SendAsync(gateway.Address, $"{endpoint} HTTP/1.1", $"Host: rebound.example:{gateway.Address.Port}\r\n{origin}", body);

        Assert.Equal(400, status);
        Assert.Contains("Host is not a loopback name", answer);
        Assert.Contains("X-Should-Retry: false", answer, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("Access-Control-Allow", answer, StringComparison.OrdinalIgnoreCase);
        Assert.False(await gateway.ReadAsync<bool>("SELECT to_regclass('rebound') IS NOT NULL"));
    }

    [Theory]
    [InlineData("Host: localhost.rebound.example")]
    [InlineData("Host: localhost@rebound.example")]
    [InlineData("Host: rebound.example@localhost")]
    [InlineData("Host: localhost:80@rebound.example")]
    [InlineData("Host: rebound.example#localhost")]
    [InlineData("Host: rebound.example/localhost")]
    [InlineData("Host: 127.0.0.1.rebound.example")]
    [InlineData("Host: 127.0.0.1.")]
    [InlineData("Host: 2130706433")]
    [InlineData("Host: [::1].rebound.example")]
    [InlineData("Host: [2001:db8::1]")]
    [InlineData("Host: 0.0.0.0")]
    [InlineData("Host:")]
    [InlineData("X-Forwarded-Host: localhost")]
    [InlineData("Host: localhost\r\nHost: rebound.example")]
    [InlineData("Host: rebound.example\r\nHost: localhost")]
    [InlineData("Host: rebound.example\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost")]
    public async Task TrickInTheHost_IsServedByNone(string headers) =>
        Assert.Equal(400, (await SendAsync(gateway.Address, "POST /v1/query HTTP/1.1", $"{headers}\r\n", Query)).Status);

    /// <summary>A request target with a host must have the same host as the header.</summary>
    [Theory]
    [InlineData("http://rebound.example/v1/query", "rebound.example", 400)]
    [InlineData("http://rebound.example/v1/query", "localhost", 400)]
    [InlineData("http://localhost/v1/query", "rebound.example", 400)]
    [InlineData("http://localhost/v1/query", "localhost", 200)]
    public async Task AbsoluteTarget_CountsToo(string target, string host, int status) =>
        Assert.Equal(status, (await SendAsync(gateway.Address, $"POST {target} HTTP/1.1", $"Host: {host}\r\n", Query)).Status);

    [Theory]
    [InlineData("HTTP/1.1", "localhost")]
    [InlineData("HTTP/1.1", "LOCALHOST")]
    [InlineData("HTTP/1.1", "localhost.")]
    [InlineData("HTTP/1.1", "localhost:1")]
    [InlineData("HTTP/1.1", "gateway.localhost:8080")]
    [InlineData("HTTP/1.1", "127.0.0.1:65535")]
    [InlineData("HTTP/1.1", "127.8.7.6")]
    [InlineData("HTTP/1.1", "[::1]")]
    [InlineData("HTTP/1.1", "[::1]:8080")]
    [InlineData("HTTP/1.0", "localhost")]
    [InlineData("HTTP/1.0", null)]
    public async Task LoopbackName_IsServed(string version, string? host)
    {
        var (status, answer) = await SendAsync(
            gateway.Address, $"POST /v1/query {version}", host is null ? "" : $"Host: {host}\r\n", Query);

        Assert.Equal(200, status);
        Assert.Contains("\"one\":1", answer);
    }

    [Fact]
    public async Task NameOfAnother_IsAProblemThatEnginesDoNotRetry()
    {
        using var client = new GatewayClient(gateway.Address);
        client.Http.DefaultRequestHeaders.Host = "rebound.example";

        var problem = (await client.PostAsync("query", Query)).ExpectProblem(400, "invalid_request");
        using var neon = await client.Http.PostAsync(
            "/sql", new StringContent("""{"query": "SELECT 1", "params": []}"""), TestContext.Current.CancellationToken);

        Assert.Contains("localhost", problem.GetProperty("detail").GetString());
        Assert.Equal(HttpStatusCode.BadRequest, neon.StatusCode);
        var error = JsonDocument.Parse(await neon.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        Assert.Equal("invalid_request", error.GetProperty("code").GetString());
    }

    /// <summary>With callers the credential identifies the caller, and no web page has it.</summary>
    [Theory]
    [InlineData("gateway.example")]
    [InlineData("gateway.example:443")]
    [InlineData("10.1.2.3")]
    [InlineData("localhost")]
    public async Task WithCallers_AnyNameIsServed(string host)
    {
        var (status, _) = await SendAsync(
            callers.Address, "POST /v1/query HTTP/1.1", $"Host: {host}\r\nAuthorization: Bearer {callers.Reader}\r\n", Query);
        var (live, _) = await SendAsync(callers.Address, "GET /healthz/live HTTP/1.1", $"Host: {host}\r\n", "");

        Assert.Equal((200, 200), (status, live));
    }

    [Fact]
    public async Task UnixSocket_IsServedUnderAnyName()
    {
        var path = Path.Combine(Path.GetTempPath(), $"gateway-{Guid.NewGuid():N}.sock");
        await using var own = await Program.StartAsync(
        [
            $"--DSN={gateway.Dsn}", $"--urls=http://unix:{path}", "--environment=Production", "--Serilog:MinimumLevel:Default=Error",
            .. PrivilegedRoles.Allow([$"--DSN={gateway.Dsn}"]),
        ]);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), TestContext.Current.CancellationToken);

        var (status, _) = await SendAsync(socket, "POST /v1/query HTTP/1.1", "Host: any.name\r\n", Query);

        Assert.Equal(200, status);
    }

    private static async Task<(int Status, string Answer)> SendAsync(Uri address, string line, string headers, string body)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address.Host, address.Port);
        return await SendAsync(socket, line, headers, body);
    }

    /// <summary>Sends a request that a client library would correct or refuse.</summary>
    private static async Task<(int Status, string Answer)> SendAsync(Socket socket, string line, string headers, string body)
    {
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(
            $"{line}\r\n{headers}Connection: close\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var answer = await reader.ReadToEndAsync().WaitAsync(Patience);
        return (int.Parse(answer.Split(' ')[1]), answer);
    }
}
