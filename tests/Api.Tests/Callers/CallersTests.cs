using System.Security.Cryptography;
using System.Text;
using Gateway.Api.Callers;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.Tests.Callers;

/// <summary>Tests which caller a credential belongs to, and the caller's rights.</summary>
public sealed class CallersTests
{
    private static readonly string Key = ApiKey.New();

    private static readonly CallerRegistry Known = new(
        [.. Enumerable.Range(0, 20).Select(n => (Hash(n == 10 ? Key : ApiKey.New()), Named($"caller{n}")))]);

    [Fact]
    public void NewKey_HasTheFormAndIsNeverTheSame()
    {
        var keys = Enumerable.Range(0, 100).Select(_ => ApiKey.New()).ToArray();

        Assert.All(keys, key => Assert.Matches("^gw_[A-Za-z0-9_-]{43}$", key));
        // A URI's password needs no escapes for a key.
        Assert.All(keys, key => Assert.Equal(key, Uri.EscapeDataString(key)));
        Assert.Equal(keys.Length, keys.Distinct().Count());
    }

    [Fact]
    public void HashOfAKey_IsItsSha256() =>
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(Key))), ApiKey.WriteHash(Key));

    [Fact]
    public void Key_IsItsCallers() => Assert.Equal("caller10", Known.Identify(Key).Name);

    [Fact]
    public void NoCredential_IsAskedForOne()
    {
        var failure = Assert.Throws<Failure>(() => Known.Identify(null));

        Assert.Equal((ProblemCode.Unauthenticated, "Bearer"), (failure.Code, failure.Challenge));
    }

    [Fact]
    public void WrongCredentials_AreOneFailure()
    {
        string[] wrong =
        [
            "", " ", "gw_", Key[..^1], Key + "x", Key[..^1] + (Key[^1] == 'A' ? 'B' : 'A'), "GW_" + Key[3..], Key[3..],
            ApiKey.New(), Key[..^1] + "é", Key[..^1] + "\0", Key + "\0", ApiKey.WriteHash(Key), $" {Key}",
            new string('x', 1 << 20), new string('é', 46),
        ];

        var failures = wrong.Select(credential => Assert.Throws<Failure>(() => Known.Identify(credential))).ToArray();

        Assert.All(failures, failure => Assert.Equal(
            (ProblemCode.Unauthenticated, "Bearer error=\"invalid_token\""), (failure.Code, failure.Challenge)));
        Assert.Single(failures.Select(failure => failure.Message).Distinct());
        Assert.DoesNotContain(Key[3..10], failures[0].Message);
    }

    [Theory]
    [InlineData("reads", false, true)]
    [InlineData("reads", true, false)]
    [InlineData("writes", false, true)]
    [InlineData("writes", true, true)]
    [InlineData("other", false, false)]
    [InlineData("Reads", false, false)]
    [InlineData("", false, false)]
    public void Caller_MayDoWhatItHasTheRightTo(string connection, bool writes, bool may)
    {
        var access = writes ? Access.ReadWrite : Access.ReadOnly;
        var caller = new Caller("a", new Dictionary<string, Access> { ["reads"] = Access.ReadOnly, ["writes"] = Access.ReadWrite });

        var failure = Record.Exception(() => caller.Require(connection, access));

        Assert.Equal(may ? null : ProblemCode.Forbidden, (failure as Failure)?.Code);
        Caller.Loopback.Require(connection, access);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("Basic abc", null)]
    [InlineData("Bearers abc", null)]
    [InlineData("Bearer", "")]
    [InlineData("Bearer ", "")]
    [InlineData("bearer", "")]
    [InlineData("Bearer abc", "abc")]
    [InlineData("bEARER   abc ", "abc")]
    [InlineData("Bearer abc def", "abc def")]
    [InlineData("Bearer\tabc", null)]
    public void Bearer_IsReadFromTheHeader(string? header, string? credential)
    {
        var http = new DefaultHttpContext();
        if (header is not null)
            http.Request.Headers.Authorization = header;

        Assert.Equal(credential, CallerRequirements.ReadBearer(http.Request));
    }

    [Fact]
    public void TwoHeaders_AreNoKey()
    {
        var http = new DefaultHttpContext();
        http.Request.Headers.Authorization = new([$"Bearer {Key}", $"Bearer {Key}"]);

        Assert.Equal("", CallerRequirements.ReadBearer(http.Request));
    }

    [Fact]
    public async Task EndpointThatWantsACaller_GetsItFromWhereItSays()
    {
        var http = await IdentifyAsync(new CallerRequirement(request => request.Query["key"]), $"?key={Key}");

        Assert.Equal("caller10", RequestRecord.Of(http).Caller!.Name);
    }

    [Fact]
    public async Task EndpointThatWantsNone_IsNotAskedForAKey()
    {
        var http = await IdentifyAsync(requirement: null, "");

        Assert.Null(RequestRecord.Of(http).Caller);
    }

    [Fact]
    public async Task UnknownCaller_DoesNotReachTheHandler()
    {
        await Assert.ThrowsAsync<Failure>(() => IdentifyAsync(
            new CallerRequirement(request => request.Query["key"]), "", _ => throw new InvalidOperationException("It was reached.")));
    }

    private static async Task<HttpContext> IdentifyAsync(CallerRequirement? requirement, string query, RequestDelegate? handler = null)
    {
        var http = new DefaultHttpContext();
        http.Features.Set(new RequestRecord(TimeProvider.System));
        http.Request.QueryString = new QueryString(query);
        http.SetEndpoint(new Endpoint(null, requirement is null ? [] : new EndpointMetadataCollection(requirement), null));
        await new CallerIdentification(handler ?? (_ => Task.CompletedTask), Known, new MemoryBudget(1 << 20)).InvokeAsync(http);
        return http;
    }

    private static byte[] Hash(string key) => ApiKey.ReadHash(ApiKey.WriteHash(key))!;

    private static Caller Named(string name) => new(name, new Dictionary<string, Access>());
}
