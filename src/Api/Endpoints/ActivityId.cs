using System.Text;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Endpoints;

/// <summary>Reads and validates an activity ID in the body, in a header or in a path.</summary>
internal static class ActivityId
{
    private const int Longest = 255;

    public static readonly string Rule = $"1 to {Longest} visible ASCII characters (0x21 to 0x7E)";

    public static bool IsValid(string id) =>
        id.Length is >= 1 and <= Longest && !id.AsSpan().ContainsAnyExceptInRange('\x21', '\x7E');

    /// <summary>
    /// Returns the only key of the header <c>Idempotency-Key</c>, plain or quoted; null if there is none, or it is not
    /// valid.
    /// </summary>
    public static string? Read(StringValues header) =>
        header is [{ } text] && Unquote(text) is { } id && IsValid(id) ? id : null;

    /// <summary>
    /// Returns the text of a structured field's string (RFC 8941), or plain text unchanged; null if the quotes are not
    /// valid.
    /// </summary>
    public static string? Unquote(string header)
    {
        if (!header.StartsWith('"'))
            return header;
        if (header.Length < 2 || !header.EndsWith('"'))
            return null;

        var text = new StringBuilder(header.Length);
        for (var i = 1; i < header.Length - 1; i++)
        {
            if (header[i] == '"')
                return null;
            if (header[i] == '\\' && (++i == header.Length - 1 || header[i] is not ('"' or '\\')))
                return null;
            text.Append(header[i]);
        }
        return text.ToString();
    }
}
