using System.Security.Cryptography;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>Finds the caller of a request among the configured callers.</summary>
/// <param name="keys">The hash of each key, with its caller.</param>
internal sealed class CallerRegistry(IReadOnlyList<(byte[] Hash, Caller Caller)> keys)
{
    /// <summary>
    /// RFC 6750, section 3.1: the challenge for a request without a credential names the scheme only.
    /// </summary>
    private const string Challenge = "Bearer";

    private const string InvalidToken = "Bearer error=\"invalid_token\"";

    private readonly (byte[] Hash, Caller Caller)[] _keys = [.. keys];

    /// <summary>Gets the trusted token issuers. Each has at least one caller.</summary>
    public IReadOnlyList<Issuer> Issuers { get; init; } = [];

    /// <summary>
    /// Gets whether any caller is configured. If none is, every request has the caller <see cref="Caller.Loopback"/>.
    /// </summary>
    public bool AreConfigured => _keys.Length > 0 || Issuers.Count > 0;

    /// <summary>Returns the caller that a key belongs to.</summary>
    /// <param name="credential">The request's credential; null if it has none.</param>
    /// <exception cref="Failure"><c>unauthenticated</c></exception>
    public Caller Identify(string? credential)
    {
        if (!AreConfigured)
            return Caller.Loopback;
        if (credential is null)
        {
            throw Unauthenticated(
                "The request carries no credential; send the header Authorization: Bearer KEY_OR_TOKEN.", Challenge);
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        return (ApiKey.TryHash(credential, hash) ? Find(hash) : null)
            ?? throw Refused();
    }

    /// <summary>
    /// Returns the failure for every invalid credential. The message is always the same, so it does not help to guess a
    /// valid one.
    /// </summary>
    public static Failure Refused() =>
        Unauthenticated(
            "The request's credential is neither a key nor a token of a configured caller.", InvalidToken);

    /// <summary>
    /// Compares all keys in constant time, so that the duration reveals neither how close a guess is nor whose key it
    /// is.
    /// </summary>
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
