using System.Security.Cryptography;

namespace Gateway.Api.Journal;

/// <summary>
/// The secret of a gateway that has no control role: 256 random bits, which <c>journal install --journal-key</c> prints once and
/// the database knows by their SHA-256.
/// </summary>
/// <param name="Bytes">The 32 bytes.</param>
internal sealed record JournalKey(byte[] Bytes)
{
    private const int Length = 32;

    public static JournalKey Create() => new(RandomNumberGenerator.GetBytes(Length));

    /// <summary>Reads what <see cref="ToString"/> printed; null where it is no such text.</summary>
    public static JournalKey? Parse(string text)
    {
        if (text.Length != 2 * Length || !text.All(char.IsAsciiHexDigit))
            return null;
        return new JournalKey(Convert.FromHexString(text));
    }

    /// <summary>Returns the key as 64 hexadecimal digits.</summary>
    public override string ToString() => Convert.ToHexStringLower(Bytes);
}
