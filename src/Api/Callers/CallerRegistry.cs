using System.Security.Cryptography;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>The configured callers.</summary>
/// <param name="keys">Each key's hash, and whose it is.</param>
internal sealed class CallerRegistry(IReadOnlyList<(byte[] Hash, Caller Caller)> keys)
{
    /// <summary>RFC 6750, 3.1: a request without a credential is told the scheme alone.</summary>
    private const string Challenge = "Bearer";

    private const string InvalidToken = "Bearer error=\"invalid_token\"";

    private readonly (byte[] Hash, Caller Caller)[] _keys = [.. keys];

    /// <summary>Whose tokens are believed besides; each lets a caller in.</summary>
    public IReadOnlyList<Issuer> Issuers { get; init; } = [];

    /// <summary>Whether there are any: without, whoever reaches the gateway is <see cref="Caller.Loopback"/>.</summary>
    public bool AreConfigured => _keys.Length > 0 || Issuers.Count > 0;

    /// <summary>Whose key it is.</summary>
    /// <param name="credential">What the request carries; null where it carries none.</param>
    /// <exception cref="Failure"><c>unauthenticated</c></exception>
    public Caller Identify(string? credential)
    {
        if (!AreConfigured)
            return Caller.Loopback;
        if (credential is null)
            throw Unauthenticated("The request carries no credential; send the header Authorization: Bearer KEY_OR_TOKEN.", Challenge);

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        return (ApiKey.TryHash(credential, hash) ? Find(hash) : null)
            ?? throw Refused();
    }

    /// <summary>One for all that is wrong with a credential: none helps to find a right one.</summary>
    public static Failure Refused() =>
        Unauthenticated("The request's credential is no key of a configured caller, and no token of one.", InvalidToken);

    /// <summary>Each is looked at, in constant time: how long it takes tells neither how near a key is nor whose.</summary>
    private Caller? Find(ReadOnlySpan<byte> hash)
    {
        Caller? found = null;
        foreach (var (known, caller) in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(known, hash))
                found = caller;
        }
        return found;
    }

    private static Failure Unauthenticated(string detail, string challenge) =>
        new(ProblemCode.Unauthenticated, detail) { Challenge = challenge };
}
