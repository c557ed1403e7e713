using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Api.Callers;

/// <summary>
/// Represents an issuer's public keys, a JWK Set (RFC 7517), without those that must not check a token. Each key is
/// read by itself, and not by <see cref="JsonWebKeySet"/>: a key that can't be used is left out, as the RFC says, and
/// the others are kept.
/// </summary>
internal sealed class KeySet
{
    /// <summary>Minimum size of an RSA key in bits: smaller keys can be broken.</summary>
    private const int MinRsaBits = 2048;

    private readonly string _document;
    private readonly List<Entry> _keys = [];

    private KeySet(string document) => _document = document;

    /// <summary>Gets the number of keys that can check a token.</summary>
    public int Count => _keys.Count;

    /// <summary>Reads a document.</summary>
    /// <exception cref="FormatException">It is not a JWK Set.</exception>
    public static KeySet Parse(string document)
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
            throw new FormatException("it is not a JWK Set, a JSON object with an array \"keys\"", error);
        }
    }

    /// <summary>Returns whether it was read from the same text.</summary>
    public bool IsOf(string document) => _document == document;

    /// <summary>Returns the one key that a token was signed by.</summary>
    /// <param name="id">The token's <c>kid</c>; without one, exactly one key must fit.</param>
    /// <param name="algorithm">The token's <c>alg</c>.</param>
    /// <returns>Null if no key fits, or if several do.</returns>
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

    private void Add(JsonElement json)
    {
        try
        {
            if (!IsForSignatures(json))
                return;
            // A copy of the members that make a key: a certificate or an address in the document must not count.
            var read = new JsonWebKey(json.GetRawText());
            var bare = new JsonWebKey
            {
                Kty = read.Kty,
                N = read.N,
                E = read.E,
                Crv = read.Crv,
                X = read.X,
                Y = read.Y,
            };
            if (JsonWebKeyConverter.TryConvertToSecurityKey(bare, out var key) && IsStrong(key))
                _keys.Add(new Entry(read.Kid, read.Alg, key is ECDsaSecurityKey ? read.Crv : null, key));
        }
        catch (Exception error) when (error is ArgumentException or CryptographicException or FormatException
            or InvalidOperationException)
        {
            // The members or the numbers don't make a key, so it is left out.
        }
    }

    private static bool IsForSignatures(JsonElement jwk) =>
        jwk.ValueKind == JsonValueKind.Object
        && (!jwk.TryGetProperty("use", out var use) || use.ValueEquals("sig"))
        && (!jwk.TryGetProperty("key_ops", out var uses)
            || uses.EnumerateArray().Any(each => each.ValueEquals("verify")));

    private static bool IsStrong(SecurityKey key)
    {
        if (key is not RsaSecurityKey rsa)
            return key is ECDsaSecurityKey;
        // The library counts the bytes of the modulus, also leading zeros.
        using var checkedKey = RSA.Create(rsa.Parameters);
        return checkedKey.KeySize >= MinRsaBits;
    }

    /// <param name="Id">The key's <c>kid</c>.</param>
    /// <param name="Algorithm">The only algorithm that the key is for, if it names one.</param>
    /// <param name="Curve">Null if it is an RSA key.</param>
    /// <param name="Key">The key.</param>
    private sealed record Entry(string? Id, string? Algorithm, string? Curve, SecurityKey Key);
}
