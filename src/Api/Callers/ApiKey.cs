using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Api.Callers;

/// <summary>
/// A caller's key: <c>gw_</c> and 256 random bits in base64url, which stand in a URI's password as they are. The gateway is told
/// its SHA-256 only. A plain hash will do: a slow or salted one protects what can be guessed, and so many random bits can't be.
/// </summary>
internal static class ApiKey
{
    private const string Prefix = "gw_";

    private const int SecretBytes = 32;

    private static readonly int Length = Prefix.Length + Base64Url.GetEncodedLength(SecretBytes);

    public static string New() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>Hashes what may be a key.</summary>
    /// <param name="key">Whatever a caller sent.</param>
    /// <param name="hash">Gets the hash, of <see cref="SHA256.HashSizeInBytes"/>.</param>
    /// <returns>False where it has not the form of a key: that is no secret, and large ones cost nothing.</returns>
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

    /// <summary>A key's hash as a setting has it.</summary>
    public static string WriteHash(ReadOnlySpan<char> key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        return TryHash(key, hash) ? Convert.ToHexStringLower(hash) : throw new ArgumentException("That is no key.", nameof(key));
    }

    /// <summary>Reads a setting's hash; null where it is none.</summary>
    public static byte[]? ReadHash(string? setting)
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        return setting?.Length == 2 * hash.Length
            && Convert.FromHexString(setting, hash, out _, out _) == System.Buffers.OperationStatus.Done
                ? hash
                : null;
    }
}
