using System.Security.Cryptography;

namespace Gateway.Api.Callers;

/// <summary>
/// The algorithms that a token may be signed with, and the kind of key that each needs. All are asymmetric: with a
/// shared secret every verifier could also make tokens, and a public key could be passed off as the secret.
/// </summary>
internal static class SigningAlgorithm
{
    public const string Default = "RS256";

    private const string Rsa = "RSA";

    /// <summary><c>RSA</c>, or the name of an elliptic curve as in a JWK.</summary>
    private static readonly Dictionary<string, string> Kinds = new(StringComparer.Ordinal)
    {
        [Default] = Rsa,
        ["RS384"] = Rsa,
        ["RS512"] = Rsa,
        ["PS256"] = Rsa,
        ["PS384"] = Rsa,
        ["PS512"] = Rsa,
        ["ES256"] = "P-256",
        ["ES384"] = "P-384",
        ["ES512"] = "P-521",
    };

    public static IEnumerable<string> All => Kinds.Keys;

    public static bool IsKnown(string? name) => name is not null && Kinds.ContainsKey(name);

    /// <summary>Returns whether a key can make signatures of an algorithm.</summary>
    /// <param name="algorithm">One of <see cref="All"/>.</param>
    /// <param name="curve">The key's curve; null for an RSA key.</param>
    public static bool Fits(string algorithm, string? curve) =>
        Kinds.TryGetValue(algorithm, out var kind) && kind == (curve ?? Rsa);

    /// <summary>Returns the curve with a name; null if no supported algorithm uses it.</summary>
    public static ECCurve? CurveOf(string name) => name switch
    {
        "P-256" => ECCurve.NamedCurves.nistP256,
        "P-384" => ECCurve.NamedCurves.nistP384,
        "P-521" => ECCurve.NamedCurves.nistP521,
        _ => null,
    };
}
