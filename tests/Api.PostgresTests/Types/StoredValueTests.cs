using System.Net;
using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Callers;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>
/// Tests that what a request stores depends only on the request and the database, and on no other request, of the same
/// or another caller, even if the same SQL text takes values of other types there.
/// </summary>
public sealed class StoredValueTests(StoredValueTests.Database database) : IClassFixture<StoredValueTests.Database>
{
    /// <summary>PostgreSQL casts jsonb to json implicitly, which changes the text without an error.</summary>
    private const string Sent = """{"b":  1, "a": 2}""";

    private const string Insert = "INSERT INTO notes (v) VALUES ($1)";

    private static int _cases;

    /// <summary>
    /// The ways in which the parameters of the same SQL text get other types. The table <c>notes</c> has another name
    /// in each case.
    /// </summary>
    private static readonly Way[] Ways =
    [
        new("search_path set", "CREATE SCHEMA evil_notes; CREATE TABLE evil_notes.notes (v jsonb)", "SET LOCAL search_path = evil_notes"),
        new("search_path set by a function", "CREATE SCHEMA evil_notes; CREATE TABLE evil_notes.notes (v jsonb)",
            "SELECT set_config('search_path', 'evil_notes', true)"),
        new("search_path set in a block", "CREATE SCHEMA evil_notes; CREATE TABLE evil_notes.notes (v jsonb)",
            "DO $$ BEGIN SET LOCAL search_path = evil_notes; END $$"),
        new("role set", "CREATE ROLE role_notes; CREATE SCHEMA role_notes AUTHORIZATION role_notes CREATE TABLE notes (v jsonb)",
            "SET LOCAL ROLE role_notes") { HasRole = true },
        new("temporary table", "", "CREATE TEMPORARY TABLE notes (v jsonb)"),
        new("column altered", "", "ALTER TABLE notes ALTER COLUMN v TYPE jsonb"),
        new("column altered in a block", "", "DO $$ BEGIN ALTER TABLE notes ALTER COLUMN v TYPE jsonb; END $$"),
        new("column made anew", "", "ALTER TABLE notes DROP COLUMN v", "ALTER TABLE notes ADD COLUMN v jsonb"),
        new("table made anew", "", "DROP TABLE notes", "CREATE TABLE notes (v jsonb)"),
        new("table renamed", "", "ALTER TABLE notes RENAME TO old_notes", "CREATE TABLE notes (v jsonb)"),
        new("table moved", "CREATE SCHEMA evil_notes", "ALTER TABLE notes SET SCHEMA evil_notes", "CREATE TABLE notes (v jsonb)"),
        new("function made anew", "CREATE FUNCTION to_notes(json) RETURNS json LANGUAGE sql AS 'SELECT $1'",
            "DROP FUNCTION to_notes(json)", "CREATE FUNCTION to_notes(jsonb) RETURNS json LANGUAGE sql AS 'SELECT $1::json'")
        {
            Sql = "INSERT INTO notes (v) VALUES (to_notes($1))",
        },
        new("operator of another schema",
            """
            CREATE FUNCTION to_notes(int, json) RETURNS json LANGUAGE sql AS 'SELECT $2';
            CREATE OPERATOR public.|~| (LEFTARG = int, RIGHTARG = json, FUNCTION = to_notes);
            CREATE SCHEMA evil_notes;
            CREATE FUNCTION evil_notes.to_notes(int, jsonb) RETURNS json LANGUAGE sql AS 'SELECT $2::json';
            CREATE OPERATOR evil_notes.|~| (LEFTARG = int, RIGHTARG = jsonb, FUNCTION = evil_notes.to_notes)
            """,
            "SET LOCAL search_path = evil_notes")
        {
            Sql = "INSERT INTO public.notes (v) VALUES (1 |~| $1)",
        },
        new("declared type of another schema",
            "CREATE TYPE shape_notes AS (b text, a int); CREATE SCHEMA evil_notes; CREATE TYPE evil_notes.shape_notes AS (a int, b text)",
            "SET LOCAL search_path = evil_notes")
        {
            Sql = "INSERT INTO public.notes (v) VALUES (to_json($1))", Type = "shape_notes", Expected = """{"b":"1","a":2}""",
        },
        new("declared type renamed", "CREATE TYPE shape_notes AS (b text, a int)",
            "ALTER TYPE shape_notes RENAME TO old_shape_notes", "CREATE TYPE shape_notes AS (a int, b text)")
        {
            Sql = "INSERT INTO notes (v) VALUES (to_json($1))", Type = "shape_notes", Expected = """{"b":"1","a":2}""",
        },
        new("attributes exchanged", "CREATE TYPE shape_notes AS (b text, a text)",
            "ALTER TYPE shape_notes RENAME ATTRIBUTE a TO c", "ALTER TYPE shape_notes RENAME ATTRIBUTE b TO a", "ALTER TYPE shape_notes RENAME ATTRIBUTE c TO b")
        {
            Sql = "INSERT INTO notes (v) VALUES (to_json($1::shape_notes))", Expected = """{"b":"1","a":"2"}""",
        },
    ];

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (var way in Ways)
            {
                foreach (var caller in new[] { "reader", "second", "writer" })
                    cases.Add(way.Name, caller);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task SameTextWithOtherTypesElsewhere_IsStoredAsIfItHadBeenAlone(string name, string caller)
    {
        var way = Ways.Single(one => one.Name == name).Named($"n{Interlocked.Increment(ref _cases)}_{Guid.NewGuid():N}");
        await GatewayFixture.ExecuteAsync(database.Dsn, $"CREATE TABLE public.{way.Table} (v json); {way.Setup}");
        using var other = database.As(caller);
        using var victim = database.As("writer");

        for (var round = 0; round < 3; round++)
        {
            for (var call = 0; call < 2; call++)
                await SendElsewhereAsync(other, way, isReader: caller == "reader");
            for (var call = 0; call < 2; call++)
                (await victim.PostAsync("execute", way.Request)).Expect(HttpStatusCode.OK);
        }

        var stored = await TypeDatabase.ReadAsync(database.Dsn, $"SELECT v::text FROM public.{way.Table}");
        Assert.Equal(6, stored.Count);
        Assert.All(stored, row => Assert.Equal(way.Expected, row[0]));
        if (way.HasRole)
            await GatewayFixture.ExecuteAsync(database.Dsn, $"DROP OWNED BY role_{way.Table}; DROP ROLE role_{way.Table}");
    }

    /// <summary>
    /// A previous version stored <c>(hello,42)</c> instead of the JSON, because PostgreSQL casts any type to text.
    /// </summary>
    [Fact]
    public async Task TextThatIsACompositeElsewhere_IsRefusedAndNothingIsStored()
    {
        var table = $"n{Interlocked.Increment(ref _cases)}_{Guid.NewGuid():N}";
        await GatewayFixture.ExecuteAsync(
            database.Dsn,
            $"CREATE TABLE public.{table} (v text); CREATE SCHEMA evil_{table}; CREATE TYPE evil_{table}.pair AS (a text, b int); CREATE TABLE evil_{table}.{table} (v evil_{table}.pair)");
        const string Value = """{"a": "hello", "b": 42}""";
        var way = new Way("", "", $"SET LOCAL search_path = evil_{table}") { Sql = Insert.Replace("notes", table), Json = Value };
        using var reader = database.As("reader");
        using var victim = database.As("writer");

        for (var call = 0; call < 2; call++)
            await SendElsewhereAsync(reader, way, isReader: true);
        var answer = await victim.PostAsync("execute", way.Request);

        answer.ExpectProblem(400, "invalid_request");
        Assert.Equal("0", (await TypeDatabase.ReadAsync(database.Dsn, $"SELECT count(*) FROM {table}"))[0][0]);
    }

    /// <summary>A change that another request, or a migration, commits between two requests.</summary>
    [Theory]
    [InlineData("jsonb", "json", "ALTER TABLE notes ALTER COLUMN v TYPE json", Sent)]
    [InlineData("json", "jsonb", "ALTER TABLE notes ALTER COLUMN v TYPE jsonb", """{"a": 2, "b": 1}""")]
    [InlineData("jsonb", "json", "DROP TABLE notes; CREATE TABLE notes (v json)", Sent)]
    [InlineData("jsonb", "json", "CREATE SCHEMA IF NOT EXISTS AUTHORIZATION CURRENT_USER; DO $$ BEGIN EXECUTE format('CREATE TABLE %I.notes (v json)', current_user); END $$", Sent)]
    public async Task TypeChangedBetweenTwoRequests_TheNextIsStoredByTheNewOne(string before, string after, string change, string expected)
    {
        var table = $"n{Interlocked.Increment(ref _cases)}_{Guid.NewGuid():N}";
        await GatewayFixture.ExecuteAsync(database.Dsn, $"CREATE TABLE public.{table} (v {before})");
        using var caller = database.As("writer");
        var request = Request(Insert.Replace("notes", table), Sent);
        (await caller.PostAsync("execute", request)).Expect(HttpStatusCode.OK);
        (await caller.PostAsync("execute", request)).Expect(HttpStatusCode.OK);

        await GatewayFixture.ExecuteAsync(database.Dsn, change.Replace("notes", table) + $"; DELETE FROM {table}");
        (await caller.PostAsync("execute", request)).Expect(HttpStatusCode.OK);

        Assert.Equal([expected], (await TypeDatabase.ReadAsync(database.Dsn, $"SELECT v::text FROM {table}")).Select(row => row[0]));
        Assert.Equal(after, (await TypeDatabase.ReadAsync(database.Dsn, $"SELECT pg_typeof(v) FROM {table}"))[0][0]);
    }

    /// <summary>A schema for each tenant: the SQL text is the same, and the column's type differs.</summary>
    [Fact]
    public async Task SchemaForEachTenant_StoresWhatItsOwnTypeMakesOfIt()
    {
        (string Type, string Stored)[] tenants =
        [
            ("real[]", "{1.6777216e+07}"), ("int[]", "{16777217}"), ("float8[]", "{16777217}"), ("numeric[]", "{16777217}"), ("json", "[16777217]"), ("jsonb", "[16777217]"),
            ("text[]", "{16777217}"), ("json[]", "{16777217}"),
        ];
        var run = $"tenant_{Guid.NewGuid():N}";
        foreach (var (index, tenant) in tenants.Index())
            await GatewayFixture.ExecuteAsync(database.Dsn, $"CREATE SCHEMA {run}_{index}; CREATE TABLE {run}_{index}.readings (v {tenant.Type})");
        using var caller = database.As("writer");
        const int Seed = 20_261;
        var random = new Random(Seed);

        for (var call = 0; call < 80; call++)
        {
            var tenant = random.Next(tenants.Length);
            (await caller.PostAsync(
                "transaction",
                $$"""
                {"activityId": "test", "delivery": "at-least-once", "statements": [
                  {"sql": "SET LOCAL search_path = {{run}}_{{tenant}}"},
                  {"sql": "INSERT INTO readings (v) VALUES ($1)", "parameters": [[16777217]]}]}
                """)).Expect(HttpStatusCode.OK);
        }

        foreach (var (index, tenant) in tenants.Index())
        {
            var stored = await TypeDatabase.ReadAsync(database.Dsn, $"SELECT DISTINCT v::text FROM {run}_{index}.readings");
            Assert.True(stored is [[var only]] && only == tenant.Stored, $"{tenant.Type}, seed {Seed}: {string.Join(" and ", stored.Select(row => row[0]))}");
        }
    }

    private static async Task SendElsewhereAsync(GatewayClient caller, Way way, bool isReader)
    {
        var statements = way.Before.Select(sql => $$"""{"sql": {{JsonSerializer.Serialize(sql)}}}""").Append(way.Statement);
        var answer = await caller.PostAsync(
            "transaction",
            $$"""
            {"activityId": "test", {{(isReader ? "\"readOnly\": true" : "\"delivery\": \"at-least-once\"")}},
             "statements": [{{string.Join(", ", statements)}}, {"sql": "SELECT 1/0"}]}
            """);
        Assert.Contains(
            answer.ExpectProblem(422, isReader ? "read_only" : "sql_error").GetProperty("sqlState").GetString(),
            isReader ? ["25006"] : new[] { "22012" });
    }

    private static string Request(string sql, string json, string? type = null) =>
        $$"""{"activityId": "test", "delivery": "at-least-once", {{Statement(sql, json, type)[1..]}}""";

    private static string Statement(string sql, string json, string? type) =>
        $$"""{"sql": {{JsonSerializer.Serialize(sql)}}, "parameters": [{{json}}]{{(type is null ? "" : $", \"parameterTypes\": [\"{type}\"]")}}}""";

    /// <param name="Name">The name in the list of tests.</param>
    /// <param name="Setup">The preparation, in addition to the table <c>notes</c> with a json column.</param>
    /// <param name="Before">The statements before, in the other request's transaction.</param>
    private sealed record Way(string Name, string Setup, params string[] Before)
    {
        public string Sql { get; init; } = Insert;
        public string? Type { get; init; }
        public string Expected { get; init; } = Sent;
        public bool HasRole { get; init; }
        public string Table { get; private init; } = "notes";

        public string Statement => StoredValueTests.Statement(Sql, Json, Type);
        public string Request => StoredValueTests.Request(Sql, Json, Type);

        public string Json
        {
            get => field ?? (Expected == Sent ? Sent : """{"b":"1","a":2}""");
            init;
        }

        public Way Named(string table) => this with
        {
            Setup = Setup.Replace("notes", table).Replace("|~|", Operator(table)),
            Before = [.. Before.Select(sql => sql.Replace("notes", table))],
            Sql = Sql.Replace("notes", table).Replace("|~|", Operator(table)),
            Type = Type?.Replace("notes", table),
            Table = table,
        };

        /// <summary>Returns an operator that no other case has.</summary>
        private static string Operator(string table) => "|" + string.Concat(table[1..table.IndexOf('_')].Select(digit => "~!@#%^&|`?"[digit - '0'])) + "|";
    }

    /// <summary>
    /// Provides a database, and a gateway on it with the callers <c>reader</c>, <c>writer</c> and <c>second</c>.
    /// </summary>
    public sealed class Database(GatewayFixture server) : IAsyncLifetime
    {
        private readonly Dictionary<string, string> _keys = new[] { "reader", "writer", "second" }.ToDictionary(name => name, _ => ApiKey.New());
        private RunningGateway? _gateway;

        public string Dsn { get; private set; } = "";

        public GatewayClient As(string caller) => new(_gateway!.Address, _keys[caller]);

        public async ValueTask InitializeAsync()
        {
            Dsn = await server.CreateDatabaseWithoutJournalAsync();
            _gateway = await RunningGateway.StartAsync(
            [
                $"--DSN={Dsn}",
                .. _keys.SelectMany(key => CallersFixture.Settings(key.Key, [key.Value], key.Key == "reader" ? "default=read" : "default=write")),
            ]);
        }

        public async ValueTask DisposeAsync()
        {
            if (_gateway is not null)
                await _gateway.DisposeAsync();
        }
    }
}
