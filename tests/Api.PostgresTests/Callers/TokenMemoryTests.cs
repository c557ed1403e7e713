using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>
/// Tests that tokens are checked once, that the cache has a maximum size, and that it never contains tokens of
/// strangers.
/// </summary>
public sealed class TokenMemoryTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"gateway-test-keys-{Guid.NewGuid():N}");
    private readonly IssuedKey _key = IssuedKey.NewCurve("key");
    private readonly Tokens _tokens;

    public TokenMemoryTests()
    {
        File.WriteAllText(_file, IssuedKey.SetOf(_key));
        var caller = new Caller("a", new Dictionary<string, Access>());
        _tokens = new Tokens(
            [
                new Issuer(
                    "Gateway__Issuers__issuer", "issuer", TokensFixture.Issuer, TokensFixture.Audience, ["ES256"], TimeSpan.FromSeconds(30),
                    new KeyFile(_file, TimeSpan.FromHours(1)), new Dictionary<string, Caller> { ["read/er"] = caller }),
            ],
            TimeProvider.System, NullLoggerFactory.Instance);
    }

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task MoreTokensThanAreRemembered_AreTakenAndCostNoMore()
    {
        var first = Token();
        Assert.Equal("a", (await IdentifyAsync(first)).Name);

        for (var n = 0; n < Tokens.MostRemembered + 50; n++)
        {
            Assert.Equal("a", (await IdentifyAsync(Token())).Name);
            Assert.InRange(_tokens.Count, 1, Tokens.MostRemembered);
        }

        Assert.Equal("a", (await IdentifyAsync(first)).Name);
    }

    [Fact]
    public async Task TokenThatWasFoundValid_IsNotCheckedAgain()
    {
        var token = Token();
        await IdentifyAsync(token);
        await IdentifyAsync(token);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var again = IdentifyAsync(token);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.True(again.IsCompletedSuccessfully);
        // Parsing a token would allocate kilobytes.
        Assert.InRange(allocated, 0, 500);
        Assert.Equal(1, _tokens.Count);
    }

    [Fact]
    public async Task RefusedTokens_AreNotRemembered()
    {
        var good = Token();
        await IdentifyAsync(good);
        for (var n = 0; n < 20; n++)
        {
            // A refused token that differs from a valid one in its last part only.
            var failure = await Assert.ThrowsAsync<Failure>(() => IdentifyAsync($"{good[..good.LastIndexOf('.')]}.{new string((char)('A' + n), 86)}"));
            Assert.Equal(ProblemCode.Unauthenticated, failure.Code);
            await Assert.ThrowsAsync<Failure>(() => IdentifyAsync(TokensFixture.Token(_key, "ES256", $"stranger{n}")));
        }

        Assert.Equal(1, _tokens.Count);
    }

    private string Token() => TokensFixture.Token(_key, "ES256");

    private Task<Caller> IdentifyAsync(string token) => _tokens.IdentifyAsync(token, CancellationToken.None).AsTask();
}
