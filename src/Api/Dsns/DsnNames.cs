namespace Gateway.Api.Dsns;

/// <summary>
/// Decides which keys and values messages may show, and suggests the known key that was probably meant.
/// </summary>
internal static class DsnNames
{
    private const int ShownLength = 32;

    /// <summary>
    /// Returns the fault for an unknown key. A key after a bare password is not shown, because it may be a part of a
    /// password that contains a separator; <paramref name="quoting"/> says how to write such a password.
    /// </summary>
    public static string Unknown(string key, IEnumerable<string> known, bool afterBarePassword, string quoting)
    {
        var nearest = Nearest(key, known);
        var near = nearest is null ? "" : $" (close to \"{nearest}\")";
        if (afterBarePassword)
        {
            return $"An unknown key{near} follows the password; "
                + $"correct it, or if it is a part of the password, {quoting}.";
        }
        if (!IsWord(key))
            return $"An unknown key{near} isn't a word; correct it or remove it.";
        return nearest is null
            ? $"{key}: unknown; remove it."
            : $"{key}: unknown; did you mean \"{nearest}\"?";
    }

    /// <summary>
    /// Returns the value for a message. Only a plain word is shown, since a forgotten separator can make a password a
    /// part of the value.
    /// </summary>
    public static string Shown(string value, string? password) =>
        IsWord(value) && !value.Contains(' ', StringComparison.Ordinal)
        && (string.IsNullOrEmpty(password) || !value.Contains(password, StringComparison.Ordinal))
            ? $" (not \"{value}\")"
            : "";

    /// <summary>Returns whether a text is a short word of letters, digits, <c>_</c>, <c>-</c> and spaces.</summary>
    public static bool IsWord(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or ' '))
                return false;
        }
        return text.Length is > 0 and <= ShownLength;
    }

    public const string LostEnd = "ends in a line break, which a connection string can't carry; remove it";

    /// <summary>
    /// Returns whether ADO.NET would shorten a value. It writes a value that ends in a line feed without quotes, and
    /// drops the line feed when the data source reads it back. The server would then refuse the password with no hint
    /// why.
    /// </summary>
    public static bool LosesItsEnd(string value) => value.EndsWith('\n');

    private static string? Nearest(string key, IEnumerable<string> known)
    {
        var meant = key.ToLowerInvariant();
        if (CommonMistakes.TryGetValue(meant, out var other) && known.Contains(other))
            return other;
        var best = known
            .Select(name => (Name: name, Distance: Distance(meant, name.ToLowerInvariant())))
            .MinBy(candidate => candidate.Distance);
        return best.Distance <= Math.Max(1, meant.Length / 3) ? best.Name : null;
    }

    private static readonly Dictionary<string, string> CommonMistakes = new()
    {
        ["username"] = "user",
        ["user name"] = "user",
        ["uid"] = "user",
        ["db"] = "dbname",
        ["server"] = "host",
        ["hostname"] = "host",
        ["pass"] = "password",
        ["pwd"] = "password",
        ["timeout"] = "connect_timeout",
        ["search_path"] = "options",
        ["schema"] = "options",
        ["user"] = "Username",
        ["dbname"] = "Database",
        ["connect_timeout"] = "Timeout",
        ["sslrootcert"] = "Root Certificate",
        ["sslcert"] = "SSL Certificate",
    };

    // The edit distance. Two letters that changed places count as one edit.
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    rows[i, j] = i + j;
                    continue;
                }
                var changed = a[i - 1] == b[j - 1] ? 0 : 1;
                rows[i, j] = Math.Min(Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1, rows[i - 1, j - 1] + changed);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
            }
        }
        return rows[a.Length, b.Length];
    }
}
