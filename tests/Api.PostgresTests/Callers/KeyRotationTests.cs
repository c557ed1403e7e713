using System.Net;
using Gateway.Api.Configuration;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>Tests that an issuer's keys can be added, removed and unavailable for a while, without a restart.</summary>
public sealed class KeyRotationTests(GatewayFixture server)
{
    private readonly IssuedKey _old = IssuedKey.NewCurve("old");
    private readonly IssuedKey _young = IssuedKey.NewCurve("young");

    [Fact]
    public async Task NewKeyAtTheUrl_IsTakenAsItsFirstTokenComes()
    {
        await using var keys = await KeyServer.StartAsync(_old);
        await using var gateway = await StartAsync(keys.Url);
        (await AskAsync(gateway, Token(_old))).Expect(HttpStatusCode.OK);
        (await AskAsync(gateway, Token(_young))).ExpectProblem(401, "unauthenticated");

        keys.Serve(_old, _young);

        (await Until(gateway, _young, 200)).Expect(HttpStatusCode.OK);
        (await AskAsync(gateway, Token(_old))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task KeyThatIsGoneFromTheUrl_EndsRememberedTokensToo()
    {
        await using var keys = await KeyServer.StartAsync(_old);
        await using var gateway = await StartAsync(keys.Url, "--Gateway:Issuers:issuer:RefreshSeconds=1");
        var remembered = Token(_old);
        (await AskAsync(gateway, remembered)).Expect(HttpStatusCode.OK);

        keys.Serve(_young);
        var answer = await Answer.UntilAsync(() => AskAsync(gateway, remembered), answer => answer.Status != HttpStatusCode.OK);

        answer.ExpectProblem(401, "unauthenticated");
        (await AskAsync(gateway, Token(_old))).ExpectProblem(401, "unauthenticated");
        (await AskAsync(gateway, Token(_young))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task UrlThatFailsForAWhile_LocksNobodyOutAndIsNotBelievedForEver()
    {
        await using var keys = await KeyServer.StartAsync(_old);
        await using var gateway = await StartAsync(keys.Url, "--Gateway:Issuers:issuer:RefreshSeconds=1");
        var remembered = Token(_old);
        (await AskAsync(gateway, remembered)).Expect(HttpStatusCode.OK);

        keys.Fail();
        var failed = keys.Requests + 2;
        await Answer.UntilAsync(() => AskAsync(gateway, remembered), _ => keys.Requests >= failed);
        (await AskAsync(gateway, Token(_old))).Expect(HttpStatusCode.OK);
        // The gateway can't find out whether there is a new key.
        (await AskAsync(gateway, Token(_young))).ExpectProblem(503, "issuer_unavailable");

        (await Answer.UntilAsync(() => AskAsync(gateway, remembered), answer => answer.Status != HttpStatusCode.OK))
            .ExpectProblem(503, "issuer_unavailable");
        keys.Serve(_old);
        (await Until(gateway, _old, 200)).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("fails")]
    [InlineData("hangs")]
    [InlineData("is large")]
    [InlineData("is no JSON")]
    [InlineData("is no set")]
    [InlineData("leads elsewhere")]
    public async Task UrlThatGivesNoKeysAtTheStart_IsAnsweredAsARetry(string how)
    {
        await using var elsewhere = await KeyServer.StartAsync(_old);
        await using var keys = await KeyServer.StartAsync();
        var set = IssuedKey.SetOf(_old);
        keys.Fail();
        keys.Answer = how switch
        {
            "fails" => keys.Answer,
            "hangs" => FailingServer.Hangs,
            "is large" => http => http.Response.WriteAsync(set + new string(' ', 256 << 10)),
            "is no JSON" => http => http.Response.WriteAsync("<html>"),
            "is no set" => http => http.Response.WriteAsync("[]"),
            _ => http =>
            {
                http.Response.Redirect(elsewhere.Url);
                return Task.CompletedTask;
            }
            ,
        };
        await using var gateway = await StartAsync(keys.Url);

        var problem = (await AskAsync(gateway, Token(_old))).ExpectProblem(503, "issuer_unavailable");
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(0, elsewhere.Requests);
        // Neither a caller with a key nor a probe needs the issuer.
        Assert.Equal(HttpStatusCode.OK, (await gateway.Client.GetAsync("/healthz/ready")).Status);

        keys.Serve(_old);
        (await Until(gateway, _old, 200)).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task ManyTokensOfUnknownKeys_AskTheUrlSeldom()
    {
        await using var keys = await KeyServer.StartAsync(_old);
        await using var gateway = await StartAsync(keys.Url);
        (await AskAsync(gateway, Token(_old))).Expect(HttpStatusCode.OK);
        var since = TimeProvider.System.GetTimestamp();

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(n => AskAsync(gateway, Token(_young.As($"unknown{n}")))));

        Assert.All(answers, answer => answer.ExpectProblem(401, "unauthenticated"));
        var most = 2 + (TimeProvider.System.GetElapsedTime(since).TotalSeconds / 5);
        Assert.True(keys.Requests <= most, $"It was asked {keys.Requests} times, and {most:0.0} are enough.");
    }

    [Fact]
    public async Task FileBehindALinkThatIsSwapped_IsReadAgain()
    {
        var folder = Directory.CreateTempSubdirectory("gateway-test-keys-");
        try
        {
            var (first, second, link) = (Path.Combine(folder.FullName, "1"), Path.Combine(folder.FullName, "2"), Path.Combine(folder.FullName, "keys"));
            await File.WriteAllTextAsync(first, IssuedKey.SetOf(_old));
            await File.WriteAllTextAsync(second, IssuedKey.SetOf(_young));
            // The files differ in their content only.
            File.SetLastWriteTimeUtc(second, File.GetLastWriteTimeUtc(first));
            File.CreateSymbolicLink(link, first);
            await using var gateway = await StartAsync(link, "--Gateway:Issuers:issuer:RefreshSeconds=1");
            var remembered = Token(_old);
            (await AskAsync(gateway, remembered)).Expect(HttpStatusCode.OK);

            File.CreateSymbolicLink($"{link}.new", second);
            File.Move($"{link}.new", link, overwrite: true);

            (await Until(gateway, _young, 200)).Expect(HttpStatusCode.OK);
            (await AskAsync(gateway, remembered)).ExpectProblem(401, "unauthenticated");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("{\"keys\": 1}")]
    public async Task FileThatHasNoKeysAtTheStart_EndsIt(string? content)
    {
        var file = Path.Combine(Path.GetTempPath(), $"gateway-test-keys-{Guid.NewGuid():N}");
        if (content is not null)
            await File.WriteAllTextAsync(file, content);
        try
        {
            var error = await Assert.ThrowsAsync<StartupException>(() => StartAsync(file));

            Assert.Contains("Gateway__Issuers__issuer__Jwks can't be read", error.Message);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string Token(IssuedKey key) => TokensFixture.Token(key, "ES256");

    private static async Task<Answer> AskAsync(RunningGateway gateway, string token)
    {
        using var client = new GatewayClient(gateway.Address, token);
        return await client.PostAsync("query", new { activityId = "tokens/rotation", sql = "SELECT 1" });
    }

    private static Task<Answer> Until(RunningGateway gateway, IssuedKey key, int status) =>
        Answer.UntilAsync(() => AskAsync(gateway, Token(key)), answer => (int)answer.Status == status);

    private Task<RunningGateway> StartAsync(string jwks, params string[] settings) => server.StartGatewayAsync(
    [
        .. TokensFixture.Settings("issuer", TokensFixture.Issuer, jwks, "ES256"),
        .. TokensFixture.Caller("reader", "issuer", "read/er", "default=read"), .. settings,
    ]);
}
