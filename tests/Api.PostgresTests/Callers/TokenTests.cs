using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>Tests which tokens are accepted, and that no other token reaches PostgreSQL.</summary>
public sealed class TokenTests(TokensFixture gateway) : IClassFixture<TokensFixture>
{
    /// <summary>Makes the invalid tokens, by their fault.</summary>
    private static readonly Dictionary<string, Func<TokensFixture, string>> Bad = new()
    {
        // The issuer's settings choose the algorithm, not the token.
        ["alg none"] = of => Unsigned(of, "none"),
        ["alg None"] = of => Unsigned(of, "None"),
        ["alg NONE"] = of => Unsigned(of, "NONE"),
        ["alg nOnE"] = of => Unsigned(of, "nOnE"),
        ["alg empty"] = of => Unsigned(of, ""),
        ["alg none, with a signature"] = of => Token(of, header: head => head["alg"] = "none"),
        ["alg missing"] = of => Token(of, header: head => head.Remove("alg")),
        ["alg is null"] = of => Token(of, header: head => head["alg"] = null),
        ["alg is a number"] = of => Token(of, header: head => head["alg"] = 256),
        ["alg in lower case"] = of => Token(of, header: head => head["alg"] = "rs256"),
        ["HS256 by the public key as PEM"] = of => Confused(of, "HS256", Encoding.ASCII.GetBytes(of.Rsa.Rsa.ExportSubjectPublicKeyInfoPem())),
        ["HS256 by the public key as PEM with its last line end"] =
            of => Confused(of, "HS256", Encoding.ASCII.GetBytes(of.Rsa.Rsa.ExportSubjectPublicKeyInfoPem() + "\n")),
        ["HS256 by the public key as PKCS#1 PEM"] = of => Confused(of, "HS256", Encoding.ASCII.GetBytes(of.Rsa.Rsa.ExportRSAPublicKeyPem())),
        ["HS256 by the public key as DER"] = of => Confused(of, "HS256", of.Rsa.Rsa.ExportSubjectPublicKeyInfo()),
        ["HS256 by the public key as PKCS#1 DER"] = of => Confused(of, "HS256", of.Rsa.Rsa.ExportRSAPublicKey()),
        ["HS256 by the public key's modulus"] = of => Confused(of, "HS256", of.Rsa.Rsa.ExportParameters(false).Modulus!),
        ["HS256 by the public key's modulus in text"] = of => Confused(of, "HS256", Encoding.ASCII.GetBytes((string)of.Rsa.Jwk["n"]!)),
        ["HS256 by the public key's JWK"] = of => Confused(of, "HS256", Encoding.ASCII.GetBytes(of.Rsa.Jwk.ToJsonString())),
        ["HS256 by the set of keys"] = of => Confused(of, "HS256", Encoding.ASCII.GetBytes(of.Document)),
        ["HS256 by nothing"] = of => Confused(of, "HS256", []),
        ["HS384 by the public key as DER"] = of => Confused(of, "HS384", of.Rsa.Rsa.ExportSubjectPublicKeyInfo()),
        ["HS512 by the public key as DER"] = of => Confused(of, "HS512", of.Rsa.Rsa.ExportSubjectPublicKeyInfo()),
        ["RS256 in name, HS256 in fact"] = of => Confused(of, "RS256", of.Rsa.Rsa.ExportSubjectPublicKeyInfo()),
        ["RS384 in name, RS256 in fact"] = of => Token(of, header: head => head["alg"] = "RS384"),
        ["PS256 in name, RS256 in fact"] = of => Token(of, header: head => head["alg"] = "PS256"),
        ["RS256 where ES256 only is taken"] = of => Token(of, claims: claims => claims["iss"] = TokensFixture.NarrowIssuer),

        // Issuer and audience.
        ["iss of nobody"] = of => Token(of, claims: claims => claims["iss"] = "https://other.example"),
        ["iss with a slash more"] = of => Token(of, claims: claims => claims["iss"] = $"{TokensFixture.Issuer}/"),
        ["iss in other case"] = of => Token(of, claims: claims => claims["iss"] = TokensFixture.Issuer.ToUpperInvariant()),
        ["iss missing"] = of => Token(of, claims: claims => claims.Remove("iss")),
        ["iss is null"] = of => Token(of, claims: claims => claims["iss"] = null),
        ["iss is an array"] = of => Token(of, claims: claims => claims["iss"] = new JsonArray(TokensFixture.Issuer)),
        ["iss of the other issuer, key of this one"] =
            of => TokensFixture.Token(of.Curve, "ES256", "narrow", claims: claims => claims["iss"] = TokensFixture.NarrowIssuer),
        ["iss of this issuer, key of the other one"] = of => TokensFixture.Token(of.Narrow, "ES256"),
        ["aud of another"] = of => Token(of, claims: claims => claims["aud"] = "other"),
        ["aud that begins so"] = of => Token(of, claims: claims => claims["aud"] = $"{TokensFixture.Audience}2"),
        ["aud in other case"] = of => Token(of, claims: claims => claims["aud"] = "Gateway"),
        ["aud empty"] = of => Token(of, claims: claims => claims["aud"] = ""),
        ["aud missing"] = of => Token(of, claims: claims => claims.Remove("aud")),
        ["aud is null"] = of => Token(of, claims: claims => claims["aud"] = null),
        ["aud is an array without it"] = of => Token(of, claims: claims => claims["aud"] = new JsonArray("a", "b")),
        ["aud is an empty array"] = of => Token(of, claims: claims => claims["aud"] = new JsonArray()),
        ["aud is an object"] = of => Token(of, claims: claims => claims["aud"] = new JsonObject { [TokensFixture.Audience] = true }),

        // Times.
        ["exp is past"] = of => Token(of, claims: claims => claims["exp"] = Now - 31),
        ["exp is long past"] = of => Token(of, claims: claims => claims["exp"] = 1),
        ["exp missing"] = of => Token(of, claims: claims => claims.Remove("exp")),
        ["exp is null"] = of => Token(of, claims: claims => claims["exp"] = null),
        ["exp is text"] = of => Token(of, claims: claims => claims["exp"] = $"{Now + 600}"),
        ["exp is zero"] = of => Token(of, claims: claims => claims["exp"] = 0),
        ["exp is negative"] = of => Token(of, claims: claims => claims["exp"] = -1),
        ["exp is past the calendar"] = of => Token(of, claims: claims => claims["exp"] = 1e300),
        ["nbf is to come"] = of => Token(of, claims: claims => claims["nbf"] = Now + 60),
        ["nbf is text"] = of => Token(of, claims: claims => claims["nbf"] = "0"),

        // The signature.
        ["signed by another key under the same kid"] = of => TokensFixture.Token(of.Foreign.As(of.Rsa.Id)),
        ["signed by the issuer's other key"] = of => TokensFixture.Token(of.Only256.As(of.Rsa.Id)),
        ["signature cut"] = of => Token(of)[..^2],
        ["signature lengthened"] = of => Token(of) + "AA",
        ["signature of one bit else"] = of => Part(of, 2, text => (text[0] == 'A' ? 'B' : 'A') + text[1..]),
        ["signature empty"] = of => Part(of, 2, _ => ""),
        ["signature of another token"] = of => Part(of, 2, _ => Token(of).Split('.')[2]),
        ["claims of another token"] = of => Part(of, 1, _ => TokensFixture.Token(of.Rsa, subject: TokensFixture.SubjectOf("writer")).Split('.')[1]),
        ["header of another token"] = of => Part(of, 0, _ => TokensFixture.Token(of.Rsa, "RS512").Split('.')[0]),
        ["signature of a curve in ASN.1"] = of => IssuedKey.Join(
            TokensFixture.Header("ES256", of.Curve.Id).ToJsonString(), TokensFixture.Claims("read/er").ToJsonString(),
            _ => [0x30, 0x44, 0x02, 0x20, .. new byte[32], 0x02, 0x20, .. new byte[32]]),
        ["signature of a curve, all zero"] = of => IssuedKey.Join(
            TokensFixture.Header("ES256", of.Curve.Id).ToJsonString(), TokensFixture.Claims("read/er").ToJsonString(), _ => new byte[64]),

        // Key.
        ["kid of no key"] = of => TokensFixture.Token(of.Rsa.As("unknown")),
        ["kid of no key, signed by another"] = of => TokensFixture.Token(of.Foreign),
        ["kid empty"] = of => TokensFixture.Token(of.Rsa.As("")),
        ["kid missing where there are several keys"] = of => Token(of, header: head => head.Remove("kid")),
        ["kid in other case"] = of => TokensFixture.Token(of.Rsa.As("RSA")),
        ["kid is a number"] = of => Token(of, header: head => head["kid"] = 0),
        ["kid of a key of another kind"] = of => TokensFixture.Token(of.Rsa.As(of.Curve.Id)),
        ["kid is a path"] = of => TokensFixture.Token(of.Rsa.As("../../../../dev/null")),
        ["kid is SQL"] = of => TokensFixture.Token(of.Rsa.As("rsa' OR '1'='1")),
        ["kid with a line end"] = of => TokensFixture.Token(of.Rsa.As("rsa\n")),
        ["kid with NUL"] = of => TokensFixture.Token(of.Rsa.As("rsa\0")),
        ["ES256 by a key of another curve"] = of => TokensFixture.Token(of.LargerCurve, "ES256"),
        ["ES256 in name, the kid of another curve"] = of => TokensFixture.Token(of.Curve.As(of.LargerCurve.Id), "ES256"),
        ["a key that is for encryption"] = of => TokensFixture.Token(of.Encrypting),
        ["a key that is for signing, and not for checking"] = of => TokensFixture.Token(of.Signing),
        ["a key that is for another algorithm"] = of => TokensFixture.Token(of.Only256, "PS256"),
        ["a key that is too small"] = of => TokensFixture.Token(of.Small),

        // Keys in a token come from its sender.
        ["jwk of the sender's"] = of => TokensFixture.Token(of.Foreign, header: head => head["jwk"] = of.Foreign.Jwk.DeepClone()),
        ["jwk of the sender's under a known kid"] =
            of => TokensFixture.Token(of.Foreign.As(of.Rsa.Id), header: head => head["jwk"] = of.Foreign.As(of.Rsa.Id).Jwk.DeepClone()),
        ["jku of the sender's"] = of => TokensFixture.Token(of.Foreign, header: head => head["jku"] = of.Elsewhere.Url),
        ["jku of the sender's under a known kid"] =
            of => TokensFixture.Token(of.Foreign.As(of.Rsa.Id), header: head => head["jku"] = of.Elsewhere.Url),
        ["x5u of the sender's"] = of => TokensFixture.Token(of.Foreign, header: head => head["x5u"] = of.Elsewhere.Url),
        ["x5c of the sender's"] = of => TokensFixture.Token(of.Foreign, header: head => head["x5c"] = new JsonArray(Certificate(of.Foreign))),
        ["iss that is where the sender's keys are"] = of => TokensFixture.Token(of.Foreign, claims: claims => claims["iss"] = of.Elsewhere.Url),

        // Extensions and other kinds.
        ["crit of something unknown"] = of => Token(of, header: head => (head["crit"], head["x"]) = (new JsonArray("x"), 1)),
        ["crit of exp"] = of => Token(of, header: head => (head["crit"], head["exp"]) = (new JsonArray("exp"), Now + 60)),
        ["crit empty"] = of => Token(of, header: head => head["crit"] = new JsonArray()),
        ["b64 false"] = of => Token(of, header: head => (head["crit"], head["b64"]) = (new JsonArray("b64"), false)),
        ["b64 false, not critical"] = of => Token(of, header: head => head["b64"] = false),
        ["compressed"] = of => Token(of, header: head => head["zip"] = "DEF"),
        ["typ of a proof of possession"] = of => Token(of, header: head => head["typ"] = "dpop+jwt"),
        ["typ of a logout"] = of => Token(of, header: head => head["typ"] = "logout+jwt"),
        ["encrypted"] = of => $"{Token(of)}.AAAA.AAAA",
        ["encrypted in its header's words"] = of => IssuedKey.Text("""{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}"""u8.ToArray()) + ".AA.AA.AA.AA",

        // One name with two values: two readers could use different ones.
        ["sub twice"] = of => Doubled(of, "\"sub\":\"nobody\",\"sub\":\"read/er\""),
        ["sub twice, escaped"] = of => Doubled(of, "\"s\\u0075b\":\"nobody\",\"sub\":\"read/er\""),
        ["aud twice"] = of => Doubled(of, "\"sub\":\"read/er\",\"aud\":\"gateway\""),
        ["alg twice"] = of => of.Rsa.Sign(
            "RS256", "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}", TokensFixture.Claims("read/er").ToJsonString()),

        // Subject.
        ["sub of nobody"] = of => TokensFixture.Token(of.Rsa, subject: "somebody"),
        ["sub missing"] = of => Token(of, claims: claims => claims.Remove("sub")),
        ["sub empty"] = of => TokensFixture.Token(of.Rsa, subject: ""),
        ["sub in other case"] = of => TokensFixture.Token(of.Rsa, subject: "Read/er"),
        ["sub with a space"] = of => TokensFixture.Token(of.Rsa, subject: "read/er "),
        ["sub that is a caller's name"] = of => TokensFixture.Token(of.Rsa, subject: "reader"),
        ["sub of the other issuer"] = of => TokensFixture.Token(of.Rsa, subject: "narrow"),
        ["sub is an array"] = of => Token(of, claims: claims => claims["sub"] = new JsonArray("read/er")),
        ["sub that looks alike"] = of => TokensFixture.Token(of.Rsa, subject: "re\u0430d/er"),

        // Not a token.
        ["two parts"] = of => Token(of)[..Token(of).LastIndexOf('.')],
        ["four parts"] = of => $"{Token(of)}.AAAA",
        ["dots only"] = _ => "..",
        ["a dot at its end"] = of => $"{Token(of)}.",
        ["a dot before it"] = of => $".{Token(of)}",
        ["header that is no JSON"] = of => Part(of, 0, _ => "AAAA"),
        ["header that is an array"] = of => Part(of, 0, _ => IssuedKey.Text("[]"u8.ToArray())),
        ["claims that are no JSON"] = of => of.Rsa.Sign("RS256", TokensFixture.Header("RS256", "rsa").ToJsonString(), "sub=read/er"),
        ["claims that are an array"] = of => of.Rsa.Sign("RS256", TokensFixture.Header("RS256", "rsa").ToJsonString(), "[]"),
        ["claims that are nothing"] = of => of.Rsa.Sign("RS256", TokensFixture.Header("RS256", "rsa").ToJsonString(), ""),
        ["claims that are nested deeply"] =
            of => of.Rsa.Sign("RS256", TokensFixture.Header("RS256", "rsa").ToJsonString(), new string('[', 5000) + new string(']', 5000)),
        ["base64 with padding"] = of => Part(of, 2, text => $"{text}=="),
        ["base64 of the other alphabet"] = of => Part(of, 2, text => $"+/{text[2..]}"),
        ["in lower case"] = of => Token(of).ToLowerInvariant(),
        ["a space in it"] = of => Part(of, 1, text => $"{text[..10]} {text[10..]}"),
        ["a tab in it"] = of => Part(of, 1, text => $"{text[..10]}\t{text[10..]}"),
        ["quoted"] = of => $"\"{Token(of)}\"",
        ["twice"] = of => $"{Token(of)} {Token(of)}",
        ["twice, with a comma"] = of => $"{Token(of)},{Token(of)}",
        ["the scheme twice"] = of => $"Bearer {Token(of)}",
        ["a letter that is none of ASCII"] = of => Part(of, 1, text => $"\u00c3\u00a9{text[1..]}"),
        ["large"] = of => Token(of, claims: claims => claims["x"] = new string('x', 13_000)),
    };

    public static TheoryData<string> BadTokens => [.. Bad.Keys];

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    [Theory]
    [MemberData(nameof(BadTokens))]
    public async Task BadToken_IsAnsweredWith401AndNothingIsAsked(string what)
    {
        var token = Bad[what](gateway);

        var answer = await gateway.AskNothingAsync(() => SendAsync("query", "default", token));
        var ofSql = await gateway.AskNothingAsync(() => SqlAsync(token));

        answer.ExpectProblem(401, "unauthenticated");
        Assert.Equal("Bearer error=\"invalid_token\"", answer.Headers["WWW-Authenticate"]);
        // The same answer for every fault.
        Assert.Equal(
            (await SendAsync("query", "default", "gw_")).Json.GetProperty("detail").GetString(), answer.Json.GetProperty("detail").GetString());
        Assert.Equal(HttpStatusCode.Unauthorized, ofSql.Status);
        Assert.Equal("unauthenticated", ofSql.Json.GetProperty("code").GetString());
        Assert.Equal(0, gateway.Elsewhere.Requests);
    }

    [Theory]
    [InlineData("Basic TOKEN", "Bearer")]
    [InlineData("JWT TOKEN", "Bearer")]
    [InlineData("DPoP TOKEN", "Bearer")]
    [InlineData("TOKEN", "Bearer")]
    [InlineData("Bearer TOKEN, Bearer TOKEN", "Bearer error=\"invalid_token\"")]
    [InlineData("Bearer\tTOKEN", "Bearer")]
    [InlineData("", "Bearer")]
    public async Task TokenInTheWrongPlace_IsAnsweredWith401AndNothingIsAsked(string header, string challenge)
    {
        var answer = await gateway.AskNothingAsync(() => SendAsync(
            "query", "default", "", header.Replace("TOKEN", Token(gateway), StringComparison.Ordinal)));

        answer.ExpectProblem(401, "unauthenticated");
        Assert.Equal(challenge, answer.Headers["WWW-Authenticate"]);
    }

    /// <summary>The server itself refuses headers of more than 32 KB, before there is a request.</summary>
    [Fact]
    public async Task TokenOfOneMegabyte_GetsNowhere()
    {
        var token = Token(gateway, claims: claims => claims["x"] = new string('x', 1 << 20));

        var status = await gateway.AskNothingAsync(async () =>
        {
            try
            {
                return (HttpStatusCode?)(await SendAsync("query", "default", token)).Status;
            }
            catch (HttpRequestException)
            {
                // The connection is closed while the token is still being sent.
                return null;
            }
        });

        Assert.True(status is null or HttpStatusCode.RequestHeaderFieldsTooLarge, $"{status} came.");
        (await SendAsync("query", "default", Token(gateway))).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("reader", "execute", "default")]
    [InlineData("reader", "transaction", "default")]
    [InlineData("reader", "cancel", "default")]
    [InlineData("reader", "query", "reports")]
    [InlineData("reader", "find", "closed")]
    [InlineData("writer", "execute", "reports")]
    [InlineData("writer", "query", "closed")]
    [InlineData("writer", "query", "nowhere")]
    [InlineData("nobody", "query", "default")]
    [InlineData("nobody", "find", "default")]
    [InlineData("narrow", "execute", "default")]
    public async Task MissingRight_IsAnsweredWith403AndNothingIsAsked(string caller, string endpoint, string connection)
    {
        var token = TokenOf(caller);

        var answer = await gateway.AskNothingAsync(() => SendAsync(endpoint, connection, token));

        answer.ExpectProblem(403, "forbidden");
        Assert.False(answer.Headers.ContainsKey("WWW-Authenticate"));
    }

    [Theory]
    [InlineData("reader", "query", "default", 200)]
    [InlineData("reader", "find", "default", 404)]
    [InlineData("writer", "execute", "default", 200)]
    [InlineData("writer", "transaction", "default", 200)]
    [InlineData("writer", "cancel", "default", 404)]
    [InlineData("writer", "query", "reports", 200)]
    [InlineData("narrow", "query", "default", 200)]
    public async Task Right_IsEnough(string caller, string endpoint, string connection, int status)
    {
        var before = gateway.Asked.RoundTrips;

        var answer = await SendAsync(endpoint, connection, TokenOf(caller));

        Assert.True((int)answer.Status == status, answer.Text);
        Assert.True(gateway.Asked.RoundTrips > before);
    }

    [Theory]
    [InlineData("RS256")]
    [InlineData("RS384")]
    [InlineData("RS512")]
    [InlineData("PS256")]
    [InlineData("PS384")]
    [InlineData("PS512")]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("ES512")]
    public async Task EachAlgorithm_IsTaken(string algorithm)
    {
        var key = algorithm switch
        {
            "ES256" => gateway.Curve,
            "ES384" => gateway.LargerCurve,
            "ES512" => gateway.LargestCurve,
            _ => gateway.Rsa,
        };
        var token = TokensFixture.Token(key, algorithm);

        (await SendAsync("query", "default", token)).Expect(HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.OK, (await SqlAsync(token)).Status);
    }

    public static TheoryData<string> GoodTokens => [.. Good.Keys];

    private static readonly Dictionary<string, Func<TokensFixture, string>> Good = new()
    {
        ["aud is an array with it"] = of => Token(of, claims: claims => claims["aud"] = new JsonArray("other", TokensFixture.Audience)),
        ["exp is past by less than the clocks may differ"] = of => Token(of, claims: claims => claims["exp"] = Now - 5),
        ["nbf is to come by less than the clocks may differ"] = of => Token(of, claims: claims => claims["nbf"] = Now + 5),
        ["nbf missing"] = of => Token(of, claims: claims => claims.Remove("nbf")),
        ["exp with a fraction"] = of => Token(of, claims: claims => claims["exp"] = Now + 60.5),
        ["typ missing"] = of => Token(of, header: head => head.Remove("typ")),
        ["typ of an access token"] = of => Token(of, header: head => head["typ"] = "at+jwt"),
        ["kid missing where there is one key"] = of => of.Narrow.Sign(
            "ES256", "{\"alg\":\"ES256\"}", TokensFixture.Claims("narrow", TokensFixture.NarrowIssuer).ToJsonString()),
        ["a key that is for this algorithm"] = of => TokensFixture.Token(of.Only256),
        ["jku beside a good signature"] = of => Token(of, header: head => head["jku"] = of.Elsewhere.Url),
        ["other claims"] = of => Token(of, claims: claims => claims["kubernetes.io"] = new JsonObject { ["namespace"] = "shop" }),
        ["nearly large"] = of => Token(of, claims: claims => claims["x"] = new string('x', 10_000)),
    };

    [Theory]
    [MemberData(nameof(GoodTokens))]
    public async Task GoodToken_LetsItsCallerIn(string what)
    {
        var token = Good[what](gateway);

        // Again, from the cache.
        (await SendAsync("query", "default", token)).Expect(HttpStatusCode.OK);
        (await SendAsync("query", "default", token)).Expect(HttpStatusCode.OK);
        Assert.Equal(0, gateway.Elsewhere.Requests);
    }

    [Fact]
    public async Task TokensOfOneSubject_AreTheSameCaller()
    {
        var id = $"tokens/{Guid.NewGuid():N}";

        var first = await SendAsync("execute", "default", TokenOf("writer"), id: id);
        var again = await SendAsync("execute", "default", TokenOf("writer"), id: id);

        Assert.Equal(["false", "true"], new[] { first, again }.Select(answer => answer.Headers["Idempotent-Replayed"]));
        Assert.Equal(first.Text, again.Text);
    }

    /// <summary>An expired token is refused, cached or not.</summary>
    [Fact]
    public async Task TokenThatExpires_IsNotTakenAnyMore()
    {
        var token = Token(gateway, claims: claims => claims["exp"] = Now - 28);

        (await SendAsync("query", "default", token)).Expect(HttpStatusCode.OK);
        var answer = await Answer.UntilAsync(() => SendAsync("query", "default", token), answer => answer.Status != HttpStatusCode.OK);

        answer.ExpectProblem(401, "unauthenticated");
    }

    private static string Token(TokensFixture of, Action<JsonObject>? header = null, Action<JsonObject>? claims = null) =>
        TokensFixture.Token(of.Rsa, header: header, claims: claims);

    private static string Unsigned(TokensFixture of, string algorithm) => IssuedKey.Join(
        TokensFixture.Header(algorithm, of.Rsa.Id).ToJsonString(), TokensFixture.Claims("read/er").ToJsonString(), _ => []);

    private static string Confused(TokensFixture of, string algorithm, byte[] secret) => IssuedKey.Join(
        TokensFixture.Header(algorithm, of.Rsa.Id).ToJsonString(), TokensFixture.Claims("read/er").ToJsonString(),
        text => algorithm switch
        {
            "HS384" => HMACSHA384.HashData(secret, text),
            "HS512" => HMACSHA512.HashData(secret, text),
            _ => HMACSHA256.HashData(secret, text),
        });

    /// <summary>Returns a valid token with one changed part.</summary>
    private static string Part(TokensFixture of, int part, Func<string, string> change)
    {
        var parts = Token(of).Split('.');
        parts[part] = change(parts[part]);
        return string.Join('.', parts);
    }

    private static string Doubled(TokensFixture of, string members)
    {
        var claims = TokensFixture.Claims("read/er").ToJsonString();
        return of.Rsa.Sign(
            "RS256", TokensFixture.Header("RS256", of.Rsa.Id).ToJsonString(), claims.Replace("\"sub\":\"read/er\"", members, StringComparison.Ordinal));
    }

    private static string Certificate(IssuedKey key)
    {
        var request = new CertificateRequest("CN=issuer.example", key.Rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        return Convert.ToBase64String(certificate.RawData);
    }

    private string TokenOf(string caller) => caller == "narrow"
        ? TokensFixture.Token(gateway.Narrow, "ES256", "narrow", claims: claims => claims["iss"] = TokensFixture.NarrowIssuer)
        : TokensFixture.Token(gateway.Rsa, subject: TokensFixture.SubjectOf(caller));

    private async Task<Answer> SendAsync(string endpoint, string connection, string token, string? header = null, string? id = null)
    {
        using var request = CallerRequest.Of(endpoint, connection, id ?? $"tokens/{Guid.NewGuid():N}");
        request.Headers.TryAddWithoutValidation("Authorization", header ?? $"Bearer {token}");
        return await SendAsync(request);
    }

    private async Task<Answer> SqlAsync(string token)
    {
        using var request = CallerRequest.OfSql($"postgresql://any:{Uri.EscapeDataString(token)}@host/default", "SELECT 1");
        return await SendAsync(request);
    }

    private async Task<Answer> SendAsync(HttpRequestMessage request)
    {
        // Otherwise the client itself would refuse non-ASCII text.
        using var client = new HttpClient(new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.Latin1 })
        {
            BaseAddress = gateway.Address,
        };
        using var response = await client.SendAsync(request);
        return await Answer.ReadAsync(response);
    }
}
