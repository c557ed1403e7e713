using System.Text;

namespace Gateway.Api.Dsns;

/// <summary>Reads libpq's keyword/value grammar: <c>host=h password='a b\'c'</c>.</summary>
internal static class DsnKeywords
{
    private const string Whitespace = " \t\r\n\v\f";

    public static DsnReading Read(string dsn)
    {
        var settings = new List<DsnSetting>();
        var at = Skip(dsn, 0);
        while (at < dsn.Length)
        {
            var keyEnd = at + Length(dsn.AsSpan(at), "=" + Whitespace);
            var equals = Skip(dsn, keyEnd);
            if (equals >= dsn.Length || dsn[equals] != '=' || !DsnNames.IsWord(dsn.AsSpan(at, keyEnd - at)))
                return Reading(settings, MissingEquals(settings));

            // libpq skips white space after "=" too, so `password= dbname=x` is the password "dbname=x".
            var (value, end) = ReadValue(dsn, Skip(dsn, equals + 1));
            var key = dsn[at..keyEnd];
            if (end < 0)
            {
                return Reading(
                    settings,
                    $"{Shown(key)}: the quoted value has no end; close it with ', and write ' inside it as \\'.");
            }

            var from = Skip(dsn, equals + 1);
            var quoted = from < dsn.Length && dsn[from] == '\'';
            settings.Add(quoted ? new(key, value, at, from, end) : new(key, value, at));
            at = Skip(dsn, end);
        }
        return Reading(settings, null);
    }

    private static (string Value, int End) ReadValue(string dsn, int at)
    {
        var value = new StringBuilder();
        var quoted = at < dsn.Length && dsn[at] == '\'';
        for (var i = quoted ? at + 1 : at; ; i++)
        {
            if (i >= dsn.Length)
                return (value.ToString(), quoted ? -1 : i);
            if (quoted ? dsn[i] == '\'' : Whitespace.Contains(dsn[i], StringComparison.Ordinal))
                return (value.ToString(), quoted ? i + 1 : i);

            // As in libpq, a backslash at the very end is dropped.
            if (dsn[i] == '\\' && ++i >= dsn.Length)
                return (value.ToString(), quoted ? -1 : i);
            value.Append(dsn[i]);
        }
    }

    // The message does not show the word at fault: after an unquoted password with a space, it is a part of the
    // password.
    private static string MissingEquals(List<DsnSetting> settings) => settings.Count == 0
        ? "The DSN doesn't begin with key=value."
        : $"{Shown(settings[^1].Key)}: the text after its value isn't key=value; "
            + "put a value that contains spaces in single quotes.";

    private static string Shown(string key) => DsnLibpq.Knows(key) ? key : "A key";

    private static DsnReading Reading(List<DsnSetting> settings, string? fault) =>
        new(settings, settings.Count > 1 ? settings[1].At : null, fault);

    private static int Skip(string dsn, int at)
    {
        while (at < dsn.Length && Whitespace.Contains(dsn[at], StringComparison.Ordinal))
            at++;
        return at;
    }

    private static int Length(ReadOnlySpan<char> text, string until) =>
        text.IndexOfAny(until) is var end and >= 0 ? end : text.Length;
}
