using System.Net;

namespace Gateway.Api.PostgresTests.Clients;

/// <summary>Tests which web pages may call <c>/sql</c>: none, unless their origin is allowed.</summary>
public sealed class NeonCorsTests(GatewayFixture gateway)
{
    private const string Page = "https://app.example.org";
    private const string Allowed = "Access-Control-Allow-Origin";
    private const string DriversHeaders =
        "authorization,neon-array-mode,neon-connection-string,neon-raw-text-output,neon-batch-read-only,idempotency-key";

    [Fact]
    public async Task NoOriginAllowed_SaysNothingToAPage()
    {
        var asked = await AskAsync(gateway.Client, "/sql", Page);
        var ran = await gateway.Client.SqlAsync(new { query = "SELECT 1" }, ("Origin", Page));

        Assert.Equal(HttpStatusCode.MethodNotAllowed, asked.Status);
        ran.Expect(HttpStatusCode.OK);
        Assert.All([asked, ran], answer => Assert.DoesNotContain(answer.Headers.Keys, IsOfCors));
    }

    [Fact]
    public async Task AllowedOrigin_MayAskAndReadAnswersAndErrors()
    {
        await using var open = await gateway.StartGatewayAsync(
            "--Gateway:Sql:AllowedOrigins:0=http://localhost:3000", $"--Gateway:Sql:AllowedOrigins:1={Page}");

        var asked = await AskAsync(open.Client, "/sql", Page);
        var ran = await open.Client.SqlAsync(new { query = "SELECT 1" }, ("Origin", Page));
        var failed = await open.Client.SqlAsync(new { query = "SELECT 1/0" }, ("Origin", Page));
        var notFound = await open.Client.SqlAsync(
            new { query = "SELECT 1" }, ("Origin", Page), (NeonCaller.ConnectionString, "postgresql://a:b@h/nowhere"));

        Assert.Equal(HttpStatusCode.NoContent, asked.Status);
        Assert.Equal("POST", asked.Headers["Access-Control-Allow-Methods"]);
        Assert.Empty(DriversHeaders.Split(',').Except(asked.Headers["Access-Control-Allow-Headers"].Split(','), StringComparer.OrdinalIgnoreCase));
        ran.Expect(HttpStatusCode.OK);
        failed.ExpectError(400, "22012");
        notFound.ExpectError(404, "connection_not_found");
        Assert.All([asked, ran, failed, notFound], answer => Assert.Equal(Page, answer.Headers[Allowed]));
        Assert.Contains("Idempotent-Replayed", ran.Headers["Access-Control-Expose-Headers"]);
        // With credentials a page could use another user's cookie.
        Assert.All([asked, ran], answer => Assert.False(answer.Headers.ContainsKey("Access-Control-Allow-Credentials")));
    }

    [Theory]
    [InlineData("https://other.example.org")]
    [InlineData("http://app.example.org")]
    [InlineData("https://app.example.org:8443")]
    [InlineData("https://app.example.org.evil.example")]
    [InlineData("null")]
    public async Task AnotherOrigin_IsToldNothing(string origin)
    {
        await using var open = await gateway.StartGatewayAsync($"--Gateway:Sql:AllowedOrigins:0={Page}");

        var asked = await AskAsync(open.Client, "/sql", origin);
        var ran = await open.Client.SqlAsync(new { query = "SELECT 1" }, ("Origin", origin));

        Assert.All([asked, ran], answer => Assert.False(answer.Headers.ContainsKey(Allowed), answer.Text));
    }

    [Fact]
    public async Task AllOrigins_AreAllowedByAStar()
    {
        await using var open = await gateway.StartGatewayAsync("--Gateway:Sql:AllowedOrigins:0=*");

        Assert.Equal("*", (await AskAsync(open.Client, "/sql", Page)).Headers[Allowed]);
        Assert.Equal("*", (await open.Client.SqlAsync(new { query = "SELECT 1" }, ("Origin", "null"))).Headers[Allowed]);
    }

    /// <summary>Other endpoints are for workers only.</summary>
    [Theory]
    [InlineData("/v1/query")]
    [InlineData("/v1/execute")]
    [InlineData("/healthz/ready")]
    public async Task OtherEndpoints_TakeNoPagesCalls(string path)
    {
        await using var open = await gateway.StartGatewayAsync("--Gateway:Sql:AllowedOrigins:0=*");

        Assert.DoesNotContain((await AskAsync(open.Client, path, Page)).Headers.Keys, IsOfCors);
    }

    private static bool IsOfCors(string header) => header.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase);

    /// <summary>Sends a preflight request, as a browser does.</summary>
    private static async Task<Answer> AskAsync(GatewayClient gateway, string path, string origin)
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, path);
        request.Headers.Add("Origin", origin);
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", DriversHeaders);
        using var response = await gateway.Http.SendAsync(request);
        return await Answer.ReadAsync(response);
    }
}
