using System.Net;
using System.Text.Json;
using Npgsql;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>Tests that a cell in an answer equals what PostgreSQL's <c>to_json</c> prints for the value.</summary>
public sealed class TypeOutTests(GatewayFixture server, TypeDatabase database, ITestOutputHelper output) : IClassFixture<TypeDatabase>
{
    /// <summary>The number of columns, well below the limits of a result and an answer.</summary>
    private const int MostColumns = 400;

    /// <summary>The intended differences, by an expression and its cell.</summary>
    public static readonly TheoryData<string, string, string> Differences = new()
    {
        // The protocol contains neither the names nor the types of an anonymous record.
        { "ROW(1, 'a \"b\"', NULL)", "record", """ "(1,\"a \"\"b\"\"\",)" """ },
        { "ARRAY[ROW(1, 'a'), NULL]", "record[]", """ ["(1,a)",null] """ },
        // Nor does it contain the type of an anyarray's elements.
        { "(SELECT most_common_vals FROM pg_stats WHERE tablename = 'common')", "anyarray", """ ["7","8"] """ },
        // A cast to json is a user's function.
        { "'cheap'::cast_to_json.priced", "cast_to_json.priced", """ "cheap" """ },
        { "ARRAY['cheap', NULL]::cast_to_json.priced[]", "cast_to_json.priced[]", """ ["cheap",null] """ },
        { "ROW('cheap', 1)::cast_to_json.tagged", "cast_to_json.tagged", """ {"price":"cheap","n":1} """ },
    };

    /// <summary>Only an index's own code makes values of these types; a NULL and an empty array exist.</summary>
    internal static readonly HashSet<string> WithoutValues =
    [
        "pg_catalog.gtsvector", "pg_catalog.pg_brin_bloom_summary", "pg_catalog.pg_brin_minmax_multi_summary",
        "public.gbtreekey2", "public.gbtreekey4", "public.gbtreekey8", "public.gbtreekey16", "public.gbtreekey32", "public.gbtreekey_var",
        "public.ghstore", "public.gtrgm", "public.intbig_gkey", "public.ltree_gist",
    ];

    public static TheoryData<string> Kinds => [.. TypeValues.Kinds.Keys, "extensions"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Value_LooksAsToJsonPrintsIt(string kind)
    {
        await AssertLookAsPrintedAsync(database.Kinds[kind]);
    }

    [Fact]
    public async Task TypeOfTheCatalog_LooksAsToJsonPrintsIt()
    {
        var values = new List<TypeValue>();
        var missing = new List<string>();
        await using (var connection = await database.OpenAsync())
        {
            foreach (var (type, value) in (await CatalogTypes.ReadAsync(database)).Values())
            {
                values.Add(new TypeValue(type, "NULL"));
                var made = value is not null && await IsMadeAsync(connection, value);
                if (made)
                    values.Add(value!);
                if (made == WithoutValues.Contains(type))
                    missing.Add(made ? $"There is a value of {type} after all." : $"There is no value of {type}: {JsonForm.Excerpt(value?.Sql)}");
            }
        }
        output.WriteLine($"{values.Count} values");

        Found.AssertNone(missing);
        await AssertLookAsPrintedAsync(values);
    }

    [Fact]
    public void OfHstoreCitextAndLtree_TheServerHasOne() =>
        Assert.Contains(database.Extensions, extension => extension is "hstore" or "citext" or "ltree");

    /// <summary>In one statement, because concurrent changes modify the catalog.</summary>
    [Fact]
    public async Task RowsOfTheCatalogsTables_LookAsToJsonPrintsThem()
    {
        var tables = await database.ReadAsync("""
            SELECT relname FROM pg_class
             WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND relname <> 'pg_statistic' ORDER BY 1
            """);
        var faults = new List<string>();
        foreach (var table in tables)
        {
            var rows = (await AskAsync($"SELECT t, to_json(t)::text FROM pg_catalog.{table[0]} AS t LIMIT 40")).GetProperty("rows");
            foreach (var row in rows.EnumerateArray())
            {
                var (cell, printed) = (row[0].GetRawText(), row[1].GetString()!);
                if (JsonForm.Of(cell) != JsonForm.Of(printed))
                    faults.Add(Found.Another(table[0]!, printed, cell));
            }
        }
        Found.AssertNone(faults);
    }

    [Fact]
    public async Task Json_IsThereByteForByte()
    {
        var values = new List<TypeValue>();
        var json = new List<string>();
        foreach (var kind in database.Kinds.Values)
        {
            foreach (var (value, printed) in kind.Zip(await database.PrintAsync(kind)))
            {
                if (!printed.IsJson || printed.Json is null)
                    continue;
                values.Add(value);
                json.Add(printed.Json);
            }
        }
        Assert.InRange(values.Count, 20, MostColumns);

        var answer = await database.Client.PostAsync("query", new { activityId = "test", sql = SelectOf(values), rowFormat = "array" });

        Assert.Contains($"\"rows\":[[{string.Join(',', json)}]]", answer.Text);
    }

    [Theory]
    [MemberData(nameof(Differences))]
    public async Task DifferenceOnPurpose_LooksSoAndDiffers(string expression, string type, string json)
    {
        await using (var connection = await database.OpenAsync())
        {
            await TypeDatabase.ExecuteAsync(
                connection, "CREATE TABLE IF NOT EXISTS common AS SELECT 7 + n % 2 AS n FROM generate_series(0, 99) AS n");
            await TypeDatabase.ExecuteAsync(connection, "ANALYZE common");
        }
        var printed = await database.ReadAsync($"SELECT to_json({expression})::text");

        var answer = await AskAsync($"SELECT {expression} AS value");

        Assert.Equal(json.Trim(), answer.GetProperty("rows")[0][0].GetRawText());
        Assert.Equal(type, answer.GetProperty("columns")[0].GetProperty("type").GetString());
        Assert.NotEqual(JsonForm.Of(printed[0][0]!), JsonForm.Of(json));
    }

    /// <summary>The types of these can't be named in a cast or a column.</summary>
    [Theory]
    [InlineData("pg_sleep(0)", "void", "\"\"")]
    [InlineData("nothing()", "void", "null")]
    [InlineData("textout('a\"')", "cstring", "\"a\\\"\"")]
    [InlineData("'{a,NULL}'::cstring[]", "cstring[]", "[\"a\",null]")]
    public async Task PseudoType_LooksAsToJsonPrintsIt(string expression, string type, string json)
    {
        var printed = await database.ReadAsync($"SELECT to_json({expression})::text");

        var answer = await AskAsync($"SELECT {expression} AS value");

        Assert.Equal(json, answer.GetProperty("rows")[0][0].GetRawText());
        Assert.Equal(json, printed[0][0] ?? "null");
        Assert.Equal(type, answer.GetProperty("columns")[0].GetProperty("type").GetString());
    }

    /// <summary>
    /// The settings of the database change both outputs in the same way, except for dates: <c>to_json</c> has its own
    /// format for them.
    /// </summary>
    [Fact]
    public async Task SettingOfTheDatabase_ChangesTheCellAsItChangesToJson()
    {
        const string values = """
            '\x00ff5c22'::bytea, ARRAY['\x00ff5c22']::bytea[], '-1 day -02:03:04.5'::interval, ARRAY['1 year -2 mons']::interval[],
            0.1::float8 + 0.2, ARRAY['2026-01-02 03:04:05', 'infinity', '0044-03-15 BC']::timestamptz[], '2026-01-02'::date, ARRAY['2026-01-02']::date[],
            '2026-01-02 03:04:05'::timestamp, ROW(1, '2026-01-02', '-1 day')::dated, 1234.5::money
            """;
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        string[] settings = ["bytea_output = 'escape'", "intervalstyle = 'iso_8601'", "extra_float_digits = 0", "datestyle = 'German, DMY'"];
        await GatewayFixture.ExecuteAsync(dsn, "CREATE TYPE dated AS (n int, on_day date, since interval)");
        foreach (var setting in settings)
        {
            var alter = $"EXECUTE format('ALTER DATABASE %I SET {setting.Replace("'", "''")}', current_database())";
            await GatewayFixture.ExecuteAsync(dsn, $"DO $$ BEGIN {alter}; END $$");
        }
        var printed = await TypeDatabase.ReadAsync(dsn, $"SELECT json_build_array({values})::text");
        await using var gateway = await RunningGateway.StartAsync($"--DSN={dsn}");

        var answer = await gateway.Client.PostAsync("query", new { activityId = "test", sql = $"SELECT {values}", rowFormat = "array" });

        Assert.Contains("P-1DT-2H-3M-4.5S", printed[0][0]);
        Assert.Equal(JsonForm.Of(printed[0][0]!), JsonForm.Of(answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetRawText()));
    }

    [Fact]
    public async Task TypeCreatedAfterTheStart_LooksAsToJsonPrintsIt()
    {
        await ExecuteAsync("""
            CREATE TYPE late_mood AS ENUM ('late, "late"');
            CREATE TYPE late_pair AS (mood late_mood, moods late_mood[]);
            CREATE DOMAIN late_pairs AS late_pair[];
            CREATE TABLE late_table (pairs late_pairs, n int);
            CREATE TYPE late_range AS RANGE (SUBTYPE = late_mood);
            """);

        await AssertLookAsPrintedAsync(
        [
            new("late_mood", "'late, \"late\"'"), new("late_mood[]", "enum_range(NULL::late_mood)"),
            new("late_pair[]", "ARRAY[ROW('late, \"late\"', enum_range(NULL::late_mood)), NULL]::late_pair[]"),
            new("late_pairs", "ARRAY[ROW(NULL, '{}')]::late_pair[]"), new("late_table", "ROW(ARRAY[ROW(NULL, '{}')]::late_pair[], 1)"),
            new("late_range", "late_range('late, \"late\"', NULL)"), new("late_multirange", "late_multirange(late_range(NULL, NULL))"),
        ]);
    }

    [Fact]
    public async Task TypeAlteredBetweenTwoRequests_LooksAsToJsonPrintsIt()
    {
        string[] changes =
        [
            "ALTER TYPE leg ADD ATTRIBUTE c jsonb",
            "UPDATE trip SET one.c = '{\"k\":  1}'",
            "ALTER TYPE leg RENAME ATTRIBUTE a TO \"A \"\"a\"",
            "ALTER TYPE leg DROP ATTRIBUTE b",
            "ALTER TABLE trip ADD COLUMN late timestamptz DEFAULT '2026-01-01'",
            "ALTER TABLE trip RENAME COLUMN n TO m",
            "ALTER TABLE trip DROP COLUMN m",
            "ALTER TABLE trip ALTER COLUMN late TYPE text USING late::text",
            "ALTER TYPE leg RENAME TO stage",
            "ALTER TYPE color RENAME VALUE 'red' TO 'RED'",
            "ALTER DOMAIN weight RENAME TO mass",
            "DROP TABLE trip; DROP TYPE stage; CREATE TYPE stage AS (z boolean); CREATE TABLE trip AS SELECT ROW(true)::stage AS one",
        ];
        await ExecuteAsync("""
            CREATE TYPE color AS ENUM ('red');
            CREATE DOMAIN weight AS numeric(30,2)[];
            CREATE TYPE leg AS (a int, b text);
            CREATE TABLE trip (one leg, legs leg[], n int, color color, colors color[], weight weight);
            INSERT INTO trip VALUES (ROW(1, 'x'), ARRAY[ROW(2, 'y'), NULL]::leg[], 3, 'red', '{red}', '{1.5}');
            """);
        await AssertTripLooksAsPrintedAsync("at first");
        foreach (var change in changes)
        {
            await ExecuteAsync(change);
            await AssertTripLooksAsPrintedAsync(change);
        }
    }

    private async Task AssertTripLooksAsPrintedAsync(string change)
    {
        var printed = (await database.ReadAsync("""
            SELECT to_json(t)::text, (SELECT json_agg(base_of(atttypid)::regtype ORDER BY attnum)::text FROM pg_attribute
                                       WHERE attrelid = 'trip'::regclass AND attnum > 0 AND NOT attisdropped)
              FROM trip AS t
            """))[0];

        var whole = await AskAsync("SELECT t FROM trip AS t");
        var columns = await AskAsync("SELECT * FROM trip AS t", "object");

        var types = columns.GetProperty("columns").EnumerateArray().Select(column => column.GetProperty("type").GetString());
        string[] found = [whole.GetProperty("rows")[0][0].GetRawText(), columns.GetProperty("rows")[0].GetRawText(), JsonSerializer.Serialize(types)];
        Found.AssertNone([.. new[] { printed[0]!, printed[0]!, printed[1]! }.Zip(found)
            .Where(pair => JsonForm.Of(pair.First) != JsonForm.Of(pair.Second))
            .Select(pair => Found.Another(change, pair.First, pair.Second))]);
    }

    private async Task AssertLookAsPrintedAsync(IEnumerable<TypeValue> values)
    {
        var faults = new List<string>();
        foreach (var some in values.Chunk(MostColumns))
        {
            var answer = await AskAsync(SelectOf(some));
            foreach (var (index, printed) in (await database.PrintAsync(some)).Index())
            {
                var cell = answer.GetProperty("rows")[0][index].GetRawText();
                var type = answer.GetProperty("columns")[index].GetProperty("type").GetString();
                if (JsonForm.Of(cell) != JsonForm.Of(printed.Json ?? "null"))
                    faults.Add(Found.Another(some[index].Sql, printed.Json, cell));
                if (type != printed.Type)
                    faults.Add($"{JsonForm.Excerpt(some[index].Sql)}\n  is of type {printed.Type}, not {type}");
            }
        }
        Found.AssertNone(faults);
    }

    internal static string SelectOf(IEnumerable<TypeValue> values) =>
        $"SELECT {string.Join(", ", values.Select((value, index) => $"{value.Sql} AS c{index}"))}";

    /// <summary>Returns whether the server can make the value.</summary>
    private static async Task<bool> IsMadeAsync(NpgsqlConnection connection, TypeValue value)
    {
        try
        {
            await using var command = new NpgsqlCommand($"SELECT ({value.Sql}) IS NULL, to_json({value.Sql})::text", connection);
            await command.ExecuteNonQueryAsync();
            return true;
        }
        catch (PostgresException)
        {
            return false;
        }
    }

    private async Task<JsonElement> AskAsync(string sql, string rowFormat = "array")
    {
        var answer = await database.Client.PostAsync("query", new { activityId = "test", sql, rowFormat, timeoutMs = 60_000 });
        Assert.True(answer.Status == HttpStatusCode.OK, $"{sql}: {answer.Text}");
        return JsonForm.Parse(answer.Text);
    }

    private Task ExecuteAsync(string sql) => GatewayFixture.ExecuteAsync(database.Dsn, sql);
}
