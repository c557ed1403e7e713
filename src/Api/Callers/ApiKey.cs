using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Api.Callers;

/// <summary>
/// Represents a caller's API key: <c>gw_</c> and 256 random bits in base64url, which a URI's password needs no escapes
/// for. The gateway is configured with its SHA-256 hash only. A plain hash is enough: a slow or salted hash protects
/// secrets that can be guessed, and 256 random bits can't be guessed.
/// </summary>
internal static class ApiKey
{
    private const string Prefix = "gw_";

    private const int SecretBytes = 32;

    private static readonly int Length = Prefix.Length + Base64Url.GetEncodedLength(SecretBytes);

    public static string New() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>Hashes a text that may be a key.</summary>
    /// <param name="key">Any text that a caller sent.</param>
    /// <param name="hash">Receives the hash, of <see cref="SHA256.HashSizeInBytes"/> bytes.</param>
    /// <returns>
    /// False if the text does not have the form of a key. The form is no secret, so returning early reveals nothing,
    /// and a large text costs no hashing.
    /// </returns>
    public static bool TryHash(ReadOnlySpan<char> key, Span<byte> hash)
    {
        if (key.Length != Length || !key.StartsWith(Prefix, StringComparison.Ordinal))
            return false;
        Span<byte> bytes = stackalloc byte[Length];
        if (Ascii.FromUtf16(key, bytes, out _) != System.Buffers.OperationStatus.Done)
            return false;
        SHA256.HashData(bytes, hash);
        return true;
    }

    /// <summary>Returns a key's hash in the form that a setting contains.</summary>
    public static string WriteHash(ReadOnlySpan<char> key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        return TryHash(key, hash)
            ? Convert.ToHexStringLower(hash)
            : throw new ArgumentException("The text is not a key.", nameof(key));
    }

    /// <summary>Reads the hash in a setting. Returns null if the text is not a hash.</summary>
    public static byte[]? ReadHash(string? setting)
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        return setting?.Length == 2 * hash.Length
            && Convert.FromHexString(setting, hash, out _, out _) == System.Buffers.OperationStatus.Done
                ? hash
                : null;
    }
}
