using System.Security.Cryptography;

namespace Gateway.Api.Journal;

/// <summary>
/// Represents the secret of a gateway without a control role: 256 random bits. <c>journal install --journal-key</c>
/// prints it once, and the database knows its SHA-256 only.
/// </summary>
/// <param name="Bytes">The 32 bytes.</param>
internal sealed record JournalKey(byte[] Bytes)
{
    private const int Length = 32;

    public static JournalKey Create() => new(RandomNumberGenerator.GetBytes(Length));

    /// <summary>Reads the text that <see cref="ToString"/> returns. Returns null for another text.</summary>
    public static JournalKey? Parse(string text)
    {
        if (text.Length != 2 * Length || !text.All(char.IsAsciiHexDigit))
            return null;
        return new JournalKey(Convert.FromHexString(text));
    }

    /// <summary>Returns the key as 64 hexadecimal digits.</summary>
    public override string ToString() => Convert.ToHexStringLower(Bytes);
}
