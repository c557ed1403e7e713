using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Api.Callers;

/// <summary>Finds the caller of a token, and checks that a configured issuer has signed it.</summary>
internal sealed partial class Tokens(IReadOnlyList<Issuer> issuers, TimeProvider clock, ILoggerFactory logs)
{
    /// <summary>Maximum number of cached tokens.</summary>
    public const int MostRemembered = 1024;

    /// <summary>
    /// The maximum time that a request waits for an issuer's keys. Reading them goes on after that, for later requests.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly ILogger _log = logs.CreateLogger<Tokens>();
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };

    private readonly Dictionary<string, (Issuer Issuer, IssuerKeys Keys)> _issuers = issuers.ToDictionary(
        issuer => issuer.Id,
        issuer => (issuer, new IssuerKeys(issuer.Name, issuer.Source, clock, logs.CreateLogger<IssuerKeys>())),
        StringComparer.Ordinal);

    /// <summary>
    /// The cache of valid tokens, by their hash: checking a signature takes about as long as a small query. Only tokens
    /// of configured callers are added, so nobody else can fill it.
    /// </summary>
    private readonly ConcurrentDictionary<TokenHash, Remembered> _remembered = new();

    /// <summary>Gets the number of cached tokens.</summary>
    public int Count => _remembered.Count;

    /// <summary>Returns the caller of a token.</summary>
    /// <exception cref="Failure">
    /// <c>unauthenticated</c>, or <c>issuer_unavailable</c> if the issuer's keys can't be read, so that the token can't
    /// be checked.
    /// </exception>
    public ValueTask<Caller> IdentifyAsync(string text, CancellationToken callerLeft)
    {
        var hash = TokenHash.Of(text);
        if (_remembered.TryGetValue(hash, out var remembered))
        {
            // The cached result is valid only while the issuer still has the keys that the token was checked with.
            if (clock.GetUtcNow() < remembered.Until && ReferenceEquals(remembered.Issuer.Current, remembered.Keys))
                return new(remembered.Caller);
            _remembered.TryRemove(hash, out _);
        }
        return new(CheckAsync(text, hash, callerLeft));
    }

    /// <summary>Reads the keys of all issuers periodically, until it is stopped.</summary>
    public Task WatchKeysAsync(CancellationToken stopping) =>
        Task.WhenAll(_issuers.Values.Select(issuer => issuer.Keys.WatchAsync(stopping)));

    /// <summary>
    /// Checks the keys that are in files. Keys at a URL may be read later: an issuer that is down must not prevent
    /// replicas from starting.
    /// </summary>
    /// <returns>The faults, a message for each file.</returns>
    public async Task<IReadOnlyList<string>> ReadFilesAsync()
    {
        var faults = new List<string>();
        foreach (var issuer in issuers.Where(issuer => issuer.Source is KeyFile))
        {
            try
            {
                _ = KeySet.Parse(await issuer.Source.GetDocumentAsync(issuer.Source.Address, CancellationToken.None));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
            {
                faults.Add($"{issuer.Setting}__Jwks can't be read: {error.Message}");
            }
        }
        return faults;
    }

    private async Task<Caller> CheckAsync(string text, TokenHash hash, CancellationToken callerLeft)
    {
        if (Token.Read(text) is not { } token)
            throw Refuse("it is not a signed token of an accepted kind");
        if (!_issuers.TryGetValue(token.Issuer, out var known))
            throw Refuse("its issuer is not configured");
        var (issuer, keys) = known;
        if (!issuer.Algorithms.Contains(token.Algorithm, StringComparer.Ordinal))
            throw Refuse("its algorithm is not one of its issuer's", issuer);

        var (set, key) = await FindKeyAsync(token, issuer, keys, callerLeft);
        var result = await _handler.ValidateTokenAsync(token.Text, Demands(issuer, key));
        if (!result.IsValid)
            throw Refuse(Reason(result.Exception), issuer);
        // The subject is read last: only now are the token's claims known to be true.
        if (!issuer.Subjects.TryGetValue(token.Subject, out var caller))
            throw Refuse("its subject is not a caller's", issuer);

        if (_remembered.Count >= MostRemembered)
            _remembered.Clear();
        var until = new DateTimeOffset(result.SecurityToken.ValidTo) + issuer.ClockSkew;
        _remembered[hash] = new Remembered(caller, keys, set, until);
        return caller;
    }

    /// <summary>
    /// Returns the key that the token was signed with, and its set. If the current keys don't have it, they are read
    /// again, since it may be new.
    /// </summary>
    private async Task<(KeySet Set, SecurityKey Key)> FindKeyAsync(
        Token token, Issuer issuer, IssuerKeys keys, CancellationToken callerLeft)
    {
        if (keys.Current is { } current && current.Find(token.KeyId, token.Algorithm) is { } known)
            return (current, known);
        KeySet? read;
        try
        {
            read = await keys.AskAgainAsync().WaitAsync(Patience, clock, callerLeft);
        }
        catch (TimeoutException)
        {
            read = null;
        }
        if (read is null)
        {
            throw new Failure(
                ProblemCode.IssuerUnavailable,
                "The keys of the token's issuer can't be read at present (Gateway__Issuers__NAME__Jwks), so it can't "
                + "be checked.")
            { RetryAfterSeconds = 5 };
        }
        return read.Find(token.KeyId, token.Algorithm) is { } found
            ? (read, found)
            : throw Refuse("its issuer does not have exactly one key for it", issuer);
    }

    /// <summary>
    /// Returns the rules for a token. They have the one key that the token names; no other key is tried.
    /// </summary>
    private static TokenValidationParameters Demands(Issuer issuer, SecurityKey key) => new()
    {
        ValidAlgorithms = issuer.Algorithms,
        ValidIssuer = issuer.Id,
        ValidateIssuer = true,
        ValidAudience = issuer.Audience,
        ValidateAudience = true,
        RequireAudience = true,
        RequireExpirationTime = true,
        RequireSignedTokens = true,
        ValidateLifetime = true,
        ClockSkew = issuer.ClockSkew,
        TryAllIssuerSigningKeys = false,
        IssuerSigningKeyResolver = (_, _, _, _) => [key],
    };

    /// <summary>Logs the reason, and returns the failure, which does not show the reason to the caller.</summary>
    private Failure Refuse(string reason, Issuer? issuer = null)
    {
        Refused(reason, issuer?.Name ?? "(none)");
        return CallerRegistry.Refused();
    }

    /// <summary>Returns the reason for the log. The library's own message may contain parts of the token.</summary>
    private static string Reason(Exception? error) => error switch
    {
        SecurityTokenExpiredException => "it has expired",
        SecurityTokenNotYetValidException => "it is not valid yet",
        SecurityTokenInvalidAudienceException => "it is for another audience",
        SecurityTokenInvalidSignatureException => "its signature is wrong",
        _ => "it is not valid",
    };

    [LoggerMessage(33, LogLevel.Information, "A token was refused: {Reason}; issuer {Issuer}")]
    private partial void Refused(string reason, string issuer);

    private sealed record Remembered(Caller Caller, IssuerKeys Issuer, KeySet Keys, DateTimeOffset Until);

    /// <summary>
    /// The SHA-256 of a token. The cache does not keep the token itself, which is a secret, and large.
    /// </summary>
    private readonly record struct TokenHash(UInt128 One, UInt128 Other)
    {
        public static TokenHash Of(string text)
        {
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            // Hashes the UTF-16 as it is. A text with other characters than ASCII is never a valid token.
            SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan()), hash);
            return MemoryMarshal.Read<TokenHash>(hash);
        }
    }
}
