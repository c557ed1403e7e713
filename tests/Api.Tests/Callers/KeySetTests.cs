using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Gateway.Api.Callers;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Api.Tests.Callers;

public sealed class KeySetTests
{
    [Theory]
    [InlineData("P-256", "ES256")]
    [InlineData("P-384", "ES384")]
    [InlineData("P-521", "ES512")]
    public void KeyOfACurve_IsFoundForItsAlgorithmOnly(string curve, string algorithm)
    {
        var set = Parse(NewCurve(curve));

        Assert.IsType<ECDsaSecurityKey>(set.Find("key", algorithm));
        foreach (var other in SigningAlgorithm.All.Where(other => other != algorithm))
            Assert.Null(set.Find("key", other));
    }

    [Fact]
    public void RsaKeyThatNamesACurve_IsAnRsaKey()
    {
        var set = Parse(With(NewRsa(2048), "crv", "P-256"));

        Assert.NotNull(set.Find("key", "RS256"));
        Assert.Null(set.Find("key", "ES256"));
    }

    [Fact]
    public void SmallRsaKeyWithLeadingZeros_IsLeftOut()
    {
        var small = NewRsa(1024, modulus => [.. new byte[128], .. modulus]);

        Assert.Equal(0, Parse(small).Count);
    }

    [Fact]
    public void CertificateBesideAKey_DoesNotCount()
    {
        using var own = RSA.Create(2048);
        using var other = RSA.Create(2048);
        var request = new CertificateRequest("CN=other", other, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now, now.AddDays(1));
        var set = Parse(With(Jwk(own), "x5c", new JsonArray(Convert.ToBase64String(certificate.RawData))));

        var key = Assert.IsType<RsaSecurityKey>(set.Find("key", "RS256"));
        Assert.Equal(own.ExportParameters(false).Modulus, key.Parameters.Modulus);
    }

    [Fact]
    public void PrivateHalf_IsNotKept()
    {
        using var rsa = RSA.Create(2048);
        var set = Parse(With(Jwk(rsa), "d", Base64Url.EncodeToString(rsa.ExportParameters(true).D)));

        Assert.Null(Assert.IsType<RsaSecurityKey>(set.Find("key", "RS256")).Parameters.D);
    }

    public static TheoryData<string, string> OddKeys => new()
    {
        { "use", "5" },
        { "use", "\"enc\"" },
        { "key_ops", "[]" },
        { "key_ops", "[\"sign\"]" },
        { "key_ops", "\"verify\"" },
        { "kty", "\"oct\"" },
        { "kty", "7" },
        { "n", "\"***\"" },
        { "n", "\"\"" },
        { "n", "null" },
        { "e", "{}" },
        { "kid", "[]" },
        { "alg", "1" },
    };

    [Theory]
    [MemberData(nameof(OddKeys))]
    public void KeyThatCannotBeUsed_IsLeftOutAndTheOthersAreKept(string member, string value)
    {
        var set = Parse(With(NewRsa(2048), member, JsonNode.Parse(value)), NewCurve("P-256"));

        Assert.Equal(1, set.Count);
        Assert.NotNull(set.Find("key", "ES256"));
    }

    [Fact]
    public void PointThatIsNotOnItsCurve_IsLeftOut()
    {
        var key = With(NewCurve("P-256"), "x", Base64Url.EncodeToString(new byte[32]));

        Assert.Equal(0, Parse(key).Count);
    }

    [Fact]
    public void TwoKeysThatFit_AreNotTried()
    {
        var set = Parse(NewRsa(2048), NewRsa(2048));

        Assert.Null(set.Find("key", "RS256"));
        Assert.Null(set.Find(null, "RS256"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"keys\": {}}")]
    [InlineData("<html>")]
    public void TextThatIsNotASet_IsAFault(string text) => Assert.Throws<FormatException>(() => KeySet.Parse(text));

    private static KeySet Parse(params JsonNode[] keys) =>
        KeySet.Parse(new JsonObject { ["keys"] = new JsonArray(keys) }.ToJsonString());

    private static JsonObject NewRsa(int bits, Func<byte[], byte[]>? change = null)
    {
        using var rsa = RSA.Create(bits);
        return Jwk(rsa, change);
    }

    private static JsonObject Jwk(RSA rsa, Func<byte[], byte[]>? change = null)
    {
        var numbers = rsa.ExportParameters(false);
        var modulus = change is null ? numbers.Modulus! : change(numbers.Modulus!);
        return new JsonObject
        {
            ["kty"] = "RSA",
            ["kid"] = "key",
            ["n"] = Base64Url.EncodeToString(modulus),
            ["e"] = Base64Url.EncodeToString(numbers.Exponent),
        };
    }

    private static JsonObject NewCurve(string curve)
    {
        using var key = ECDsa.Create(ECCurve.CreateFromFriendlyName($"nist{curve.Replace("-", "")}"));
        var point = key.ExportParameters(false).Q;
        return new JsonObject
        {
            ["kty"] = "EC",
            ["kid"] = "key",
            ["crv"] = curve,
            ["x"] = Base64Url.EncodeToString(point.X),
            ["y"] = Base64Url.EncodeToString(point.Y),
        };
    }

    private static JsonObject With(JsonObject key, string member, JsonNode? value)
    {
        key[member] = value;
        return key;
    }
}
