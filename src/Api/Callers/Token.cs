using System.Buffers.Text;
using System.Text.Json;

namespace Gateway.Api.Callers;

/// <summary>
/// Represents the content of a token before its signature is checked: a JWS (RFC 7515) in compact form. It is read
/// strictly, so that two readers can't understand it differently.
/// </summary>
internal sealed class Token
{
    /// <summary>The maximum length of a token: several times the length of an issuer's usual tokens.</summary>
    private const int LongestText = 16 << 10;

    /// <summary>The accepted types. A token of another type was signed for another purpose.</summary>
    private static readonly string[] Types = ["JWT", "at+jwt", "application/at+jwt"];

    private static readonly JsonDocumentOptions Strictly = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    private static readonly System.Buffers.SearchValues<char> Letters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private Token(string text, JsonElement header, JsonElement claims)
    {
        Text = text;
        Algorithm = TextOf(header, "alg") ?? "";
        KeyId = TextOf(header, "kid");
        Issuer = TextOf(claims, "iss") ?? "";
        Subject = TextOf(claims, "sub") ?? "";
    }

    public string Text { get; }
    public string Algorithm { get; }
    public string? KeyId { get; }
    public string Issuer { get; }
    public string Subject { get; }

    /// <summary>Returns whether a credential must be read as a token, and not as a key.</summary>
    public static bool IsMeant(string? credential) =>
        credential is { Length: <= LongestText } && credential.Contains('.');

    /// <summary>Reads a token. Returns null if the text is not a token, or not of an accepted kind.</summary>
    public static Token? Read(string text)
    {
        var parts = text.Split('.', 4);
        if (parts.Length != 3 || parts.Any(part => part.Length == 0 || part.AsSpan().ContainsAnyExcept(Letters)))
            return null;
        try
        {
            var header = JsonElement.Parse(Base64Url.DecodeFromChars(parts[0]), Strictly);
            var claims = JsonElement.Parse(Base64Url.DecodeFromChars(parts[1]), Strictly);
            return IsPlain(header) && IsTimed(claims) ? new Token(text, header, claims) : null;
        }
        catch (Exception error) when (error is FormatException or JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>
    /// Returns whether the header has no extension that must be understood (the gateway supports none) and no other
    /// type. Keys in the header (<c>jku</c>, <c>jwk</c>, <c>x5u</c>, <c>x5c</c>) are ignored: the sender could put any
    /// key there.
    /// </summary>
    private static bool IsPlain(JsonElement header) =>
        !header.TryGetProperty("crit", out _)
        && !header.TryGetProperty("b64", out _)
        && !header.TryGetProperty("zip", out _)
        && (TextOf(header, "typ") is not { } type || Types.Contains(type, StringComparer.OrdinalIgnoreCase));

    /// <summary>Returns whether the times are numbers. Some readers accept a time as text, and others do not.</summary>
    private static bool IsTimed(JsonElement claims) =>
        claims.TryGetProperty("exp", out var expiry) && IsTime(expiry)
        && (!claims.TryGetProperty("nbf", out var begin) || IsTime(begin));

    private static bool IsTime(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number
        && value.TryGetDouble(out var seconds) && seconds is > 0 and < 253_402_300_800;

    private static string? TextOf(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value.GetString() : null;
}
