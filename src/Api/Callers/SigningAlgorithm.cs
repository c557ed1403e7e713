namespace Gateway.Api.Callers;

/// <summary>
/// The algorithms that a token may be signed by, and the kind of key that each needs. All are asymmetric: where a secret is shared,
/// whoever checks a token could make one, and a public key would pass for the secret.
/// </summary>
internal static class SigningAlgorithm
{
    public const string Default = "RS256";

    private const string Rsa = "RSA";

    /// <summary>RSA, or an elliptic curve's name as a JWK has it.</summary>
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
