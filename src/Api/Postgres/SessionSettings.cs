using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents settings that a session starts with, as PostgreSQL's start-up parameter <c>options</c> has them:
/// <c>-c name=value</c> or <c>--name=value</c>. Later ones override earlier ones.
/// </summary>
internal sealed class SessionSettings
{
    /// <summary>Settings that a transaction takes at BEGIN, so that they can't be made in it.</summary>
    private static readonly FrozenSet<string> OfTransactions = FrozenSet.Create(
        StringComparer.OrdinalIgnoreCase, "default_transaction_isolation", "default_transaction_deferrable");

    private readonly List<(string Name, string Value)> _settings = [];

    private SessionSettings(string options) => Options = options;

    /// <summary>Gets the settings as the start-up parameter.</summary>
    public string Options { get; }

    /// <summary>Gets the first option that is not a setting, and can't be made by SQL; null if there is none.</summary>
    public string? Unsettable { get; private set; }

    /// <summary>Reads options.</summary>
    public static SessionSettings Parse(string options)
    {
        var settings = new SessionSettings(options);
        var words = Split(options);
        for (var index = 0; index < words.Count; index++)
        {
            var word = words[index];
            if (word == "-c" && index + 1 < words.Count)
                word += words[++index];
            var isSetting =
                word.StartsWith("-c", StringComparison.Ordinal) || word.StartsWith("--", StringComparison.Ordinal);
            var setting = isSetting ? word[2..] : "";
            var equals = setting.IndexOf('=', StringComparison.Ordinal);
            var name = equals > 0 ? setting[..equals].Replace('-', '_') : "";
            if (name.Length > 0)
                settings._settings.Add((name, setting[(equals + 1)..]));
            if (name.Length == 0 || OfTransactions.Contains(name))
                settings.Unsettable ??= word;
        }
        return settings;
    }

    /// <summary>
    /// Adds a setting for the case that the settings are made by SQL; a session that starts with
    /// <see cref="Options"/> has it by another start-up parameter.
    /// </summary>
    public void AddForSql(string name, string value) => _settings.Add((name, value));

    /// <summary>Returns a query that makes the settings, with a row of their values.</summary>
    /// <param name="isLocal">Whether they last until the end of the transaction, or of the session.</param>
    public string ToSql(bool isLocal) => "SELECT " + string.Join(", ", _settings.Select(setting =>
        $"pg_catalog.set_config({Quote(setting.Name)}, {Quote(setting.Value)}, {(isLocal ? "true" : "false")})"));

    /// <summary>Makes the settings in a session that has just been opened, for as long as it lasts.</summary>
    /// <exception cref="NpgsqlException">The server refuses a setting, or can't be reached.</exception>
    public async Task ApplyAsync(NpgsqlConnection connection)
    {
        if (_settings.Count == 0)
            return;
        await using var command = new NpgsqlCommand(ToSql(isLocal: false), connection)
        {
            // A pooler lets clients in, and then lets their first query wait for a session of the server.
            CommandTimeout = connection.ConnectionTimeout,
        };
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Splits options into words as PostgreSQL does: at spaces, unless a backslash precedes them.</summary>
    private static List<string> Split(string options)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var isEscaped = false;
        foreach (var character in options)
        {
            if (!isEscaped && character == '\\')
            {
                isEscaped = true;
                continue;
            }
            if (!isEscaped && character is ' ' or (>= '\t' and <= '\r'))
                EndWord();
            else
                word.Append(character);
            isEscaped = false;
        }
        EndWord();
        return words;

        void EndWord()
        {
            if (word.Length > 0)
                words.Add(word.ToString());
            word.Clear();
        }
    }

    /// <summary>
    /// Returns an SQL string in ASCII that means the same whatever client_encoding and standard_conforming_strings are.
    /// </summary>
    private static string Quote(string text)
    {
        var quoted = new StringBuilder("E'");
        foreach (var rune in text.EnumerateRunes())
        {
            if (!rune.IsAscii)
                quoted.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:X8}");
            else if (rune.Value is '\'' or '\\')
                quoted.Append((char)rune.Value, 2);
            else
                quoted.Append((char)rune.Value);
        }
        return quoted.Append('\'').ToString();
    }
}
