namespace Gateway.Api.Callers;

/// <summary>
/// The algorithms that a token may be signed with, and the kind of key that each needs. All are asymmetric. With a
/// shared secret, everybody who can check a token could also make one, and an attacker could use a public key as the
/// secret (algorithm confusion).
/// </summary>
internal static class SigningAlgorithm
{
    public const string Default = "RS256";

    private const string Rsa = "RSA";

    /// <summary>The kind of key by the algorithm: RSA, or the name of an elliptic curve in a JWK.</summary>
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
}
