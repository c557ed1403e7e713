using Npgsql;

namespace Gateway.Api.PostgresTests.Settings;

/// <summary>Represents a value of a setting that any role may set, for itself or in a session.</summary>
internal sealed record HostileSetting(string Name, string Value)
{
    private const string UserSettings =
        """
        SELECT name, vartype, coalesce(min_val, ''), coalesce(max_val, ''), coalesce(enumvals, '{}'), coalesce(setting, '')
          FROM pg_settings WHERE context = 'user' ORDER BY name
        """;

    /// <summary>Values for text settings; the server refuses most of them for most settings.</summary>
    private static readonly string[] Texts = ["", "x", "1", new('x', 1000)];

    /// <summary>Text settings with few valid values, and settings that <c>pg_settings</c> does not show.</summary>
    private static readonly (string Name, string[] Values)[] Special =
    [
        ("DateStyle", ["German, DMY", "SQL, MDY", "Postgres, YMD"]),
        ("TimeZone", ["Asia/Kathmandu", "America/St_Johns", "<+14:59>-14:59:59", "-167:59"]),
        ("timezone_abbreviations", ["India", "Australia"]),
        ("client_encoding", ["LATIN1", "SQL_ASCII", "SJIS", "EUC_JP"]),
        ("search_path", ["pg_temp", "pg_toast"]),
        ("default_text_search_config", ["pg_catalog.simple"]),
        ("lc_numeric", ["C"]),
        ("plpgsql.extra_errors", ["all"]),
        ("plpgsql.extra_warnings", ["all"]),
        ("role", ["none"]),
        ("gateway.caller", ["forged"]),
        ("gateway.activity_id", ["forged"]),
    ];

    public override string ToString() => $"{Name} = '{(Value.Length > 40 ? $"{Value[..10]}… ({Value.Length})" : Value)}'";

    /// <summary>Gets the assignment, as in SET and ALTER ROLE … SET.</summary>
    public string Assignment =>
        $"{string.Join('.', Name.Split('.').Select(part => $"\"{part}\""))} TO '{Value.Replace("'", "''", StringComparison.Ordinal)}'";

    /// <summary>
    /// Returns values of each setting that a role may set: every value of an enumeration, on and off, the extremes of a
    /// number, and texts.
    /// </summary>
    public static async Task<IReadOnlyList<HostileSetting>> ListAsync(NpgsqlConnection session)
    {
        // Loads the settings of the language.
        await using (var load = new NpgsqlCommand("DO $$ BEGIN NULL; END $$", session))
            await load.ExecuteNonQueryAsync();
        var found = new List<HostileSetting>();
        await using var command = new NpgsqlCommand(UserSettings, session);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            var name = reader.GetString(0);
            string[] values = reader.GetString(1) switch
            {
                "bool" => ["on", "off"],
                "enum" => reader.GetFieldValue<string[]>(4),
                "string" => Texts,
                _ when name.EndsWith("_timeout", StringComparison.Ordinal) => ["1", reader.GetString(3)],
                _ => [reader.GetString(2), reader.GetString(3)],
            };
            // The current value would change nothing.
            found.AddRange(values.Where(value => value != reader.GetString(5)).Select(value => new HostileSetting(name, value)));
        }
        found.AddRange(Special.SelectMany(setting => setting.Values.Select(value => new HostileSetting(setting.Name, value))));
        return [.. found.Distinct()];
    }
}
