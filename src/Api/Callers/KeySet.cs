using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Api.Callers;

/// <summary>
/// An issuer's public keys, as a JWK Set (RFC 7517) has them. Of its members only those are read that make a key and say what it is
/// for; a certificate, or an address of more, is not looked at.
/// </summary>
internal sealed class KeySet
{
    /// <summary>What is smaller can be broken.</summary>
    private const int SmallestRsaBits = 2048;

    private readonly byte[] _document;
    private readonly List<Entry> _keys = [];

    private KeySet(byte[] document) => _document = document;

    /// <summary>How many of its keys can check a token.</summary>
    public int Count => _keys.Count;

    /// <summary>Reads a document.</summary>
    /// <exception cref="FormatException">It is no JWK Set. A key in it that can't be used is left out, as the RFC has it.</exception>
    public static KeySet Parse(byte[] document)
    {
        var set = new KeySet(document);
        try
        {
            var root = JsonElement.Parse(document);
            foreach (var key in root.GetProperty("keys").EnumerateArray())
                set.Add(key);
            return set;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FormatException("it is no JWK Set, a JSON object with an array \"keys\"", error);
        }
    }

    /// <summary>Whether it was read from the same text.</summary>
    public bool IsOf(ReadOnlySpan<byte> document) => _document.AsSpan().SequenceEqual(document);

    /// <summary>The one key that a token was signed by.</summary>
    /// <param name="id">The token's <c>kid</c>; where it has none there must be one key only that fits.</param>
    /// <param name="algorithm">The token's <c>alg</c>.</param>
    /// <returns>Null where there is none, or where it would have to be guessed which.</returns>
    public SecurityKey? Find(string? id, string algorithm)
    {
        SecurityKey? found = null;
        foreach (var key in _keys)
        {
            var fits = (key.Algorithm ?? algorithm) == algorithm && SigningAlgorithm.Fits(algorithm, key.Curve);
            if (!fits || (id is not null && key.Id != id))
                continue;
            if (found is not null)
                return null;
            found = key.Key;
        }
        return found;
    }

    private void Add(JsonElement jwk)
    {
        try
        {
            if (!IsForSignatures(jwk))
                return;
            if (Text(jwk, "kty") == "RSA")
                AddRsa(jwk);
            else if (Text(jwk, "kty") == "EC" && Text(jwk, "crv") is { } curve && SigningAlgorithm.CurveOf(curve) is { } known)
                AddCurve(jwk, curve, known);
        }
        catch (Exception error) when (error is FormatException or CryptographicException or InvalidOperationException)
        {
            // Members or numbers that are no key's.
        }
    }

    private void AddRsa(JsonElement jwk)
    {
        var numbers = new RSAParameters { Modulus = Number(jwk, "n"), Exponent = Number(jwk, "e") };
        using var rsa = RSA.Create(numbers);
        if (rsa.KeySize >= SmallestRsaBits)
            _keys.Add(new Entry(Text(jwk, "kid"), Text(jwk, "alg"), null, new RsaSecurityKey(numbers)));
    }

    private void AddCurve(JsonElement jwk, string name, ECCurve curve)
    {
        var point = new ECPoint { X = Number(jwk, "x"), Y = Number(jwk, "y") };
        var key = ECDsa.Create(new ECParameters { Curve = curve, Q = point });
        _keys.Add(new Entry(Text(jwk, "kid"), Text(jwk, "alg"), name, new ECDsaSecurityKey(key)));
    }

    private static bool IsForSignatures(JsonElement jwk) =>
        jwk.ValueKind == JsonValueKind.Object
        && (!jwk.TryGetProperty("use", out var use) || use.ValueEquals("sig"))
        && (!jwk.TryGetProperty("key_ops", out var uses) || uses.EnumerateArray().Any(each => each.ValueEquals("verify")));

    private static string? Text(JsonElement jwk, string name) =>
        jwk.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static byte[] Number(JsonElement jwk, string name) =>
        Text(jwk, name) is { } text ? Base64Url.DecodeFromChars(text) : throw new FormatException($"A key has no \"{name}\".");

    /// <param name="Id">Its <c>kid</c>.</param>
    /// <param name="Algorithm">The only one that it is for, where it says so.</param>
    /// <param name="Curve">Null where it is RSA's.</param>
    /// <param name="Key">The key.</param>
    private sealed record Entry(string? Id, string? Algorithm, string? Curve, SecurityKey Key);
}
