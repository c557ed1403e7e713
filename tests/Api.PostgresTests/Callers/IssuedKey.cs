using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>Represents an issuer's key, created for a test, and signs tokens with it.</summary>
internal sealed class IssuedKey
{
    private readonly AsymmetricAlgorithm _key;

    private IssuedKey(AsymmetricAlgorithm key, string id, JsonObject jwk)
    {
        (_key, Id, Jwk) = (key, id, jwk);
        Jwk["kid"] = id;
    }

    public string Id { get; }

    /// <summary>Gets its public key, as in the issuer's key set.</summary>
    public JsonObject Jwk { get; }

    public RSA Rsa => (RSA)_key;

    public static IssuedKey NewRsa(string id, int bits = 2048)
    {
        var key = RSA.Create(bits);
        var numbers = key.ExportParameters(false);
        return new IssuedKey(key, id, new JsonObject { ["kty"] = "RSA", ["n"] = Text(numbers.Modulus!), ["e"] = Text(numbers.Exponent!) });
    }

    /// <param name="id">Its <c>kid</c>.</param>
    /// <param name="curve">The curve's name in a JWK.</param>
    public static IssuedKey NewCurve(string id, string curve = "P-256")
    {
        var key = ECDsa.Create(ECCurve.CreateFromFriendlyName($"nist{curve.Replace("-", "")}"));
        var point = key.ExportParameters(false).Q;
        return new IssuedKey(
            key, id, new JsonObject { ["kty"] = "EC", ["crv"] = curve, ["x"] = Text(point.X!), ["y"] = Text(point.Y!) });
    }

    public static string SetOf(params IEnumerable<IssuedKey> keys) =>
        new JsonObject { ["keys"] = new JsonArray([.. keys.Select(key => key.Jwk.DeepClone())]) }.ToJsonString();

    /// <summary>Returns the same key with other members.</summary>
    public IssuedKey As(string id, params (string Name, JsonNode Value)[] members)
    {
        var key = new IssuedKey(_key, id, (JsonObject)Jwk.DeepClone());
        foreach (var (name, value) in members)
            key.Jwk[name] = value;
        return key;
    }

    /// <summary>Signs a token.</summary>
    /// <param name="algorithm">The algorithm, independent of the header.</param>
    /// <param name="header">Its header, JSON.</param>
    /// <param name="claims">Its claims, JSON.</param>
    public string Sign(string algorithm, string header, string claims) =>
        Join(header, claims, text => _key switch
        {
            RSA rsa => rsa.SignData(
                text, Hash(algorithm), algorithm.StartsWith('P') ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1),
            ECDsa curve => curve.SignData(text, Hash(algorithm)),
            _ => throw new InvalidOperationException(),
        });

    /// <summary>Returns a token with the signature of <paramref name="sign"/>.</summary>
    public static string Join(string header, string claims, Func<byte[], byte[]> sign)
    {
        var text = $"{Text(Encoding.UTF8.GetBytes(header))}.{Text(Encoding.UTF8.GetBytes(claims))}";
        return $"{text}.{Text(sign(Encoding.ASCII.GetBytes(text)))}";
    }

    public static string Text(byte[] bytes) => Base64Url.EncodeToString(bytes);

    private static HashAlgorithmName Hash(string algorithm) => new($"SHA{algorithm[2..]}");
}
