using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.Api.PostgresTests.Clients;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests errors of every class that print a value, each in another form than the text that was sent. Neither an answer
/// nor the log contains any of the value, and the message still explains the error.
/// </summary>
public sealed class ErrorValueTests(GatewayFixture server)
{
    private const string Schema =
        """
        CREATE EXTENSION IF NOT EXISTS btree_gist;
        CREATE EXTENSION IF NOT EXISTS hstore;
        CREATE EXTENSION IF NOT EXISTS citext;
        CREATE EXTENSION IF NOT EXISTS ltree;
        CREATE TYPE mood AS ENUM ('sad', 'glad');
        CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
        CREATE DOMAIN short AS text CONSTRAINT short_check CHECK (length(VALUE) < 3);
        CREATE TYPE pair AS (a int, b text);
        CREATE TABLE kept (
            id bigint PRIMARY KEY, email text CONSTRAINT kept_email UNIQUE CHECK (email <> 'never'), at timestamptz UNIQUE, n numeric UNIQUE,
            doc jsonb UNIQUE, raw bytea UNIQUE, tags text[] UNIQUE, addr inet UNIQUE, m money UNIQUE, note text NOT NULL DEFAULT '');
        CREATE UNIQUE INDEX kept_lower ON kept (lower(email));
        CREATE UNIQUE INDEX kept_trim ON kept (trim(note)) WHERE note <> '';
        CREATE TABLE room (id int, during tstzrange, EXCLUDE USING gist (id WITH =, during WITH &&));
        CREATE TABLE line (kept_id bigint CONSTRAINT line_kept REFERENCES kept, qty int CONSTRAINT line_qty CHECK (qty BETWEEN 1 AND 9), code varchar(4), bits bit(3));
        CREATE TABLE parted (k text) PARTITION BY LIST (k);
        CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
        CREATE SEQUENCE counted;
        CREATE FUNCTION to_number_of(v text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN v::int; END $$;
        CREATE FUNCTION json_of(v text) RETURNS jsonb LANGUAGE plpgsql AS $$ DECLARE j jsonb; BEGIN j := v::jsonb; RETURN j; END $$;
        CREATE FUNCTION sql_number_of(v text) RETURNS int LANGUAGE sql AS $$ SELECT v::int $$;
        CREATE FUNCTION run(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE v; END $$;
        CREATE FUNCTION run_quoted(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT %L::int', v); END $$;
        CREATE FUNCTION run_name(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT * FROM %I', v); END $$;
        CREATE FUNCTION run_function(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT %I(1)', v); END $$;
        CREATE FUNCTION nested(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM run_quoted(v); END $$;
        CREATE FUNCTION strict_of(v text) RETURNS int LANGUAGE plpgsql AS $$
            #print_strict_params on
            DECLARE r int; BEGIN SELECT 1 INTO STRICT r FROM kept WHERE email = v; RETURN r; END $$;
        CREATE FUNCTION keep_by(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO kept (id, email) VALUES (7, v), (8, v); END $$;
        """;

    /// <summary>The default parameters of a row: one value that appears nowhere else.</summary>
    private static readonly object[] Canary = ["zq-canary-7041"];

    /// <summary>The SQL, the SQLSTATE, the words of the message that are kept, and the parameters.</summary>
    private static readonly (string Sql, string State, string Words, object[] Parameters)[] Rows =
    [
        // Text that is not a value of its type.
        ("SELECT $1::int", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT $1::smallint", "22003", "is out of range for type smallint", ["070417041"]),
        ("SELECT $1::bigint", "22003", "is out of range for type bigint", ["70410000000000007041"]),
        ("SELECT $1::numeric", "22P02", "invalid input syntax for type numeric", Canary),
        ("SELECT $1::numeric(3,2)", "22003", "numeric field overflow", ["7041"]),
        ("SELECT $1::float8", "22003", "is out of range for type double precision", ["7041e7041"]),
        ("SELECT $1::boolean", "22P02", "invalid input syntax for type boolean", Canary),
        ("SELECT $1::uuid", "22P02", "invalid input syntax for type uuid", Canary),
        ("SELECT $1::money", "22003", "is out of range for type money", ["704170417041704170417041"]),
        ("INSERT INTO line (bits) VALUES ($1)", "22026", "does not match type bit(3)", ["11110000111"]),
        ("SELECT $1::varbit", "22P02", "is not a valid", Canary),
        ("SELECT $1::bytea", "22P02", "invalid input syntax for type bytea", ["\\zq-canary"]),
        ("SELECT $1::bytea", "22023", "invalid hexadecimal", ["\\xzq-canary"]),
        ("SELECT decode($1, 'base64')", "22023", "found while decoding base64 sequence", ["*zq-canary*"]),
        ("SELECT decode('aa', $1)", "22023", "unrecognized encoding", Canary),
        ("SELECT $1::inet", "22P02", "invalid input syntax for type inet", Canary),
        ("SELECT $1::cidr", "22P02", "invalid cidr value", ["70.41.70.41/8"]),
        ("SELECT set_masklen('10.0.0.1'::inet, $1::int)", "22023", "invalid mask length", ["7041"]),
        ("SELECT $1::macaddr", "22P02", "invalid input syntax for type macaddr", Canary),
        ("SELECT $1::point", "22P02", "invalid input syntax for type point", Canary),
        ("SELECT $1::oid", "22P02", "invalid input syntax for type oid", Canary),
        ("SELECT $1::regclass", "42P01", "does not exist", Canary),
        ("SELECT $1::regclass", "42601", "improper relation name", ["zq.canary.a.b.c"]),
        ("SELECT $1::regtype", "42704", "does not exist", ["zq_canary"]),
        ("SELECT $1::regprocedure", "42883", "does not exist", ["zq_canary(int)"]),
        ("SELECT $1::regrole", "42704", "does not exist", ["zq_canary"]),
        ("SELECT nextval($1)", "42P01", "does not exist", ["Zq_Canary"]),
        ("SELECT setval('counted', $1::bigint, true) FROM pg_class WHERE relname = 'counted'", "22003", "is out of bounds for sequence", ["-7041"]),
        ("SELECT lo_get($1::oid)", "42704", "large object", ["70417041"]),
        ("SELECT $1::pg_lsn", "22P02", "invalid input syntax for type pg_lsn", Canary),
        ("SELECT $1::txid_snapshot", "22P02", "invalid input syntax for type", Canary),
        ("SELECT $1::tid", "22P02", "invalid input syntax for type tid", Canary),
        ("SELECT $1::\"char\" || lower($1)::int", "22P02", "invalid input syntax for type integer", ["ZQ-CANARY"]),
        ("SELECT trim($1)::int", "22P02", "invalid input syntax for type integer", ["   zq canary   "]),
        ("SELECT reverse($1)::int", "22P02", "invalid input syntax for type integer", ["yranac"]),
        ("SELECT upper($1)::int", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT md5($1)::int", "22P02", "invalid input syntax for type integer", ["canary"]),
        ("SELECT encode(convert_to($1, 'UTF8'), 'hex')::int", "22P02", "invalid input syntax for type integer", ["canary"]),
        ("SELECT ($1::numeric * 2)::text::uuid", "22P02", "invalid input syntax for type uuid", ["7041"]),
        ("SELECT ($1 || $2)::int", "22P02", "invalid input syntax for type integer", ["zq-can", "ary"]),
        // Quotes, line breaks, and text that looks like a message.
        ("SELECT $1::int", "22P02", "invalid input syntax for type integer", ["a\" zq canary \"b"]),
        ("SELECT $1::int", "22P02", "invalid input syntax for type integer", ["\"; \"x\" zq canary"]),
        ("SELECT $1::int", "22P02", "invalid input syntax for type integer", ["x\nzq canary\n\"PL/pgSQL function zq_canary(integer) line 3 at RAISE\n"]),
        ("SELECT $1::int", "22P02", "invalid input syntax for type integer", ["« zq canary » „zq canary“ ‹zq canary›"]),
        ("SELECT $1::int", "22P02", "invalid input syntax for type integer", [new string('"', 5000) + "canary"]),
        // Dates and times.
        ("SELECT $1::date", "22007", "invalid input syntax for type date", Canary),
        ("SELECT $1::date", "22008", "date/time field value out of range", ["7041-70-41"]),
        ("SELECT $1::timestamptz", "22007", "invalid input syntax for type timestamp with time zone", Canary),
        ("SELECT $1::timestamptz", "22008", "out of range", ["70417041-01-01"]),
        ("SELECT $1::time", "22008", "date/time field value out of range", ["70:41:70"]),
        ("SELECT $1::interval", "22007", "invalid input syntax for type interval", Canary),
        ("SELECT $1::interval", "22015", "interval field value out of range", ["70417041704170417041 years"]),
        ("SELECT now() AT TIME ZONE $1", "22023", "not recognized", ["zq/canary"]),
        ("SELECT now() AT TIME ZONE $1::interval", "22023", "interval time zone", ["7041 months"]),
        ("SELECT ('2020-01-01 00:00 ' || $1)::timestamptz", "22023", "time zone", ["zq/canary"]),
        ("SELECT make_date($1::int, 13, 41)", "22008", "date field value out of range", ["7041"]),
        ("SELECT make_time($1::int, 1, 1)", "22008", "time field value out of range", ["7041"]),
        ("SELECT make_timestamp($1::int, 13, 1, 1, 1, 1)", "22008", "field value out of range", ["7041"]),
        ("SELECT date_trunc($1, now())", "22023", "not recognized", Canary),
        ("SELECT extract('epoch' from now()), date_part($1, now())", "22023", "not recognized", ["zq"]),
        ("SELECT to_date($1, 'YYYY-MM-DD')", "22007", "invalid value", ["zqca-na-ry"]),
        ("SELECT to_date($1, 'Month YYYY')", "22007", "invalid value", Canary),
        ("SELECT to_timestamp($1, 'HH12')", "22007", "is invalid for the", ["77"]),
        ("SELECT to_number($1, '9')", "22P02", "invalid input syntax for type numeric", ["canary"]),
        ("SELECT to_char(1, $1)", "42601", "", ["9999.9.9\"canary\""]),
        // Values that look like quotation marks and words of a message.
        ("SELECT now() AT TIME ZONE coalesce($1, '')", "22023", "not recognized", ["\"of type canary varying(7041)"]),
        ("SELECT pg_has_role(coalesce($1::name, ''), 'usage')", "42704", "does not exist", ["\"of type canary"]),
        ("SELECT current_setting(coalesce($1, ''))", "42704", "unrecognized configuration parameter", ["\"of type canary varying(7041)"]),
        ("SELECT $1::text::regclass", "42601", "improper relation name (too many dotted names): ", ["a.\"of type canary\".c.d"]),
        ("SELECT $1::text::regoper", "42883", "operator does not exist: ", ["canary"]),

        // Arrays, composites, enums, ranges, domains.
        ("SELECT $1::int[]", "22P02", "invalid input syntax for type integer", ["{1,\"zq \\\"canary\\\"\"}"]),
        ("SELECT $1::int[]", "22P02", "invalid input syntax for type integer", [new[] { "1", "zq-canary" }]),
        ("SELECT $1::int[]", "22P02", "malformed array literal", Canary),
        ("SELECT $1::pair", "22P02", "malformed record literal", Canary),
        ("SELECT $1::pair", "22P02", "invalid input syntax for type integer", ["(zq-canary,x)"]),
        ("SELECT $1::mood", "22P02", "invalid input value for enum mood", Canary),
        ("SELECT $1::int4range", "22P02", "malformed range literal", Canary),
        ("SELECT $1::int4range", "22000", "range lower bound must be less than or equal to range upper bound", ["[7041,1)"]),
        ("SELECT $1::tstzrange", "22007", "invalid input syntax for type timestamp with time zone", ["[zq canary,)"]),
        ("SELECT $1::int4multirange", "22P02", "malformed multirange literal", ["{zq canary}"]),
        ("SELECT $1::positive", "23514", "value for domain positive violates check constraint \"positive_check\"", ["-7041"]),
        ("SELECT $1::short", "23514", "value for domain short violates check constraint \"short_check\"", Canary),
        // From PostgreSQL 16 on hstore has its own SQLSTATE, and from 17 on so does XPath.
        ("SELECT $1::hstore", "XX000 42601", "", ["zq=>canary,,=>"]),
        ("SELECT $1::ltree", "42601", "", ["zq.canary..!"]),
        ("SELECT $1::citext::int", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT $1::tsquery", "42601", "syntax error in tsquery", ["zq & & canary"]),
        ("SELECT $1::tsvector", "42601", "syntax error in tsvector", ["'zq canary"]),
        ("SELECT to_tsvector($1::regconfig, 'x')", "42704", "does not exist", ["zq_canary"]),
        ("SELECT 'x' ~ $1", "2201B", "invalid regular expression", ["canary(7041"]),
        ("SELECT regexp_matches('x', 'y', $1)", "22023", "invalid regular expression option", ["zq"]),
        ("SELECT 'x' LIKE 'y' ESCAPE $1", "22025", "invalid escape string", ["canary"]),
        ("SELECT 'x' SIMILAR TO $1", "2201B", "invalid regular expression", ["canary(7041"]),
        // JSON and XML.
        ("SELECT $1::json", "22P02", "invalid input syntax for type json", ["{\"zq\": canary}"]),
        ("SELECT $1::jsonb", "22P02", "invalid input syntax for type json", ["{\"zq\":\n \"canary\\q\"}"]),
        ("SELECT $1::jsonb", "22P05", "unsupported Unicode escape sequence", ["\"canary \\u0000\""]),
        ("SELECT ($1::jsonb ->> 'k')::int", "22P02", "invalid input syntax for type integer", ["{\"k\": \"c\\u0061nary \\\"7041\\\"\"}"]),
        ("SELECT $1::jsonpath", "42601", "syntax error", ["$.zq canary"]),
        ("SELECT jsonb_path_query('{}', ('strict $.' || $1)::jsonpath)", "2203A", "JSON object does not contain key", ["canary"]),
        ("SELECT jsonb_path_query('{}', $1::jsonpath)", "42704", "could not find jsonpath variable", ["$canary"]),
        ("SELECT jsonb_path_query(to_jsonb($1::text), '$.double()')", "22036", "", Canary),
        ("SELECT jsonb_set('[1]', ARRAY[$1], '1')", "22P02", "is not an integer", Canary),
        ("SELECT * FROM jsonb_to_record($1::jsonb) AS r(a int)", "22P02", "invalid input syntax for type integer", ["{\"a\": \"zq canary\"}"]),
        ("SELECT jsonb_populate_record(NULL::pair, $1::jsonb)", "22P02", "invalid input syntax for type integer", ["{\"a\": \"zq canary\"}"]),
        ("SELECT * FROM json_populate_recordset(NULL::pair, $1::json)", "22023", "", ["[\"zq canary\"]"]),
        ("SELECT to_jsonb($1::text)::int", "22023", "cannot cast jsonb string to type integer", Canary),
        ("SELECT $1::xml", "2200N", "invalid XML content", ["<zq>canary"]),
        ("SELECT xpath($1, '<a/>')", "XX000 10608", "invalid XPath expression", ["zq canary("]),
        ("SELECT xmlparse(DOCUMENT $1)", "2200M", "invalid XML document", ["zq canary"]),
        ("SELECT xmlcomment($1)", "2200S", "invalid XML comment", ["zq--canary"]),
        // Numbers in another form.
        ("SELECT 1 / ($1::int - 7041)", "22012", "division by zero", ["7041"]),
        ("SELECT chr($1::int)", "54000", "", ["70417041"]),
        ("SELECT setseed($1::float8)", "22023", "is out of allowed range", ["7041"]),
        ("SELECT percentile_cont($1::float8) WITHIN GROUP (ORDER BY 1)", "22003", "percentile value", ["7041"]),
        ("SELECT get_byte('\\x00'::bytea, $1::int)", "2202E", "out of valid range", ["7041"]),
        ("SELECT get_bit(B'101', $1::int)", "2202E", "out of valid range", ["7041"]),
        ("SELECT 'x'::char(1) || repeat('x', 3)::varchar(2) || $1::varchar(2)::int", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT ($1::numeric)::int", "22003", "integer out of range", ["7.041e12"]),
        ("SELECT convert_from(decode($1, 'hex'), 'UTF8')", "22021", "invalid byte sequence for encoding", ["ffca7041"]),
        ("SELECT convert_to($1, 'LATIN1')", "22P05", "character with byte sequence", ["€"]),
        ("SELECT convert_to('x', $1)", "22023", "", Canary),
        ("SELECT unistr($1)", "42601", "invalid Unicode", ["canary \\70zz"]),
        ("SELECT normalize('x', NFC), $1::int", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT format($1, 1)", "22023", "", ["canary %Q"]),
        ("SELECT 'x' COLLATE \"C\" < $1, $1::int", "22P02", "invalid input syntax for type integer", Canary),
        // Settings, rights and the like.
        ("SELECT set_config('statement_timeout', $1, true)", "22023", "invalid value for parameter", Canary),
        ("SELECT set_config('extra_float_digits', $1, true)", "22023", "is outside the valid range for parameter", ["7041"]),
        ("SELECT set_config('datestyle', $1, true)", "22023", "invalid value for parameter", Canary),
        ("SELECT set_config($1, 'x', true)", "42704", "unrecognized configuration parameter", ["zqcanary"]),
        ("SELECT set_config('role', $1, true)", "22023", "", ["zq_canary"]),
        ("SELECT set_config('search_path', $1, true), nowhere()", "42883", "function nowhere() does not exist", Canary),
        ("SELECT current_setting($1)", "42704", "unrecognized configuration parameter", ["zqcanary"]),
        ("SELECT has_table_privilege('kept', $1)", "22023", "unrecognized privilege type", Canary),
        ("SELECT has_table_privilege($1, 'SELECT')", "42P01", "does not exist", ["zq_canary"]),
        ("SELECT pg_read_file($1)", "58P01", "could not open file", ["/nowhere/zq-canary"]),
        ("SELECT pg_size_bytes($1)", "22023", "invalid size", Canary),
        ("SELECT pg_input_is_nothing($1)", "42883", "function pg_input_is_nothing", Canary),
        // Constraints.
        ("INSERT INTO kept (id, email) VALUES (1, $1), (2, $1)", "23505", "duplicate key value violates unique constraint \"kept_email\"", Canary),
        ("INSERT INTO kept (id, email) VALUES (1, 'ZQ-canary'), (2, $1)", "23505", "duplicate key value violates unique constraint \"kept_lower\"", ["zq-CANARY"]),
        ("INSERT INTO kept (id, note) VALUES (1, $1), (2, trim($1))", "23505", "duplicate key value violates unique constraint \"kept_trim\"", ["  zq canary "]),
        ("INSERT INTO kept (id, n) VALUES (1, $1::numeric), (2, $1::numeric)", "23505", "duplicate key value violates unique constraint", ["7.041e3"]),
        ("INSERT INTO kept (id, at) VALUES (1, $1::timestamptz), (2, $1::timestamptz)", "23505", "duplicate key value violates unique constraint", ["7041-04-17T07:04:41Z"]),
        ("INSERT INTO kept (id, doc) VALUES (1, $1::jsonb), (2, $1::jsonb)", "23505", "duplicate key value violates unique constraint", ["{\"z\":\"c\\u0061nary\",\"a\":7041}"]),
        ("INSERT INTO kept (id, raw) VALUES (1, $1::bytea), (2, $1::bytea)", "23505", "duplicate key value violates unique constraint", ["\\x70417041"]),
        ("INSERT INTO kept (id, tags) VALUES (1, $1::text[]), (2, $1::text[])", "23505", "duplicate key value violates unique constraint", [new[] { "zq canary", "b" }]),
        ("INSERT INTO kept (id, addr) VALUES (1, $1::inet), (2, $1::inet)", "23505", "duplicate key value violates unique constraint", ["70.41.70.41/32"]),
        ("INSERT INTO kept (id, m) VALUES (1, $1::money), (2, $1::money)", "23505", "duplicate key value violates unique constraint", ["7041.70"]),
        ("INSERT INTO kept (id, email, note) VALUES (1, $1, NULL)", "23502", "null value in column \"note\" of relation \"kept\" violates not-null constraint", Canary),
        ("INSERT INTO kept (id, email, note) VALUES (1, 'never', $1)", "23514", "new row for relation \"kept\" violates check constraint", Canary),
        ("INSERT INTO line (kept_id) VALUES ($1::bigint)", "23503", "insert or update on table \"line\" violates foreign key constraint \"line_kept\"", ["7041"]),
        ("INSERT INTO line (qty) VALUES ($1::int)", "23514", "violates check constraint \"line_qty\"", ["7041"]),
        ("INSERT INTO line (code) VALUES ($1)", "22001", "value too long for type character varying(4)", Canary),
        ("INSERT INTO parted VALUES ($1)", "23514", "no partition of relation \"parted\" found for row", Canary),
        ("INSERT INTO room VALUES (7041, $1::tstzrange), (7041, $1::tstzrange)", "23P01", "conflicting key value violates exclusion constraint", ["[7041-04-17,)"]),
        ("WITH x AS (INSERT INTO kept (id, email) VALUES (9, $1) RETURNING id) INSERT INTO line (kept_id, qty) SELECT id, 70 FROM x", "23514", "violates check constraint \"line_qty\"", Canary),
        // In functions.
        ("SELECT to_number_of($1)", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT sql_number_of($1)", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT json_of($1)", "22P02", "invalid input syntax for type json", ["{\"a\": zq\ncanary}"]),
        ("SELECT run($1)", "42601", "syntax error at or near", ["zq canary"]),
        ("SELECT run($1)", "42703", "does not exist", ["SELECT zq_canary"]),
        ("SELECT run_quoted($1)", "22P02", "invalid input syntax for type integer", ["zq 'canary'\nPL/pgSQL function zq_canary(integer) line 3 at RAISE\n"]),
        ("SELECT nested($1)", "22P02", "invalid input syntax for type integer", Canary),
        ("SELECT run_name($1)", "42P01", "does not exist", ["Zq Canary"]),
        ("SELECT run_function($1)", "42883", "does not exist", ["zq_canary"]),
        ("SELECT strict_of($1)", "P0002", "query returned no rows", Canary),
        ("SELECT keep_by($1)", "23505", "duplicate key value violates unique constraint \"kept_email\"", Canary),
        ("SELECT set_config('log_parameter_max_length_on_error', '-1', true), 1 / (length($1) - 14)", "22012", "division by zero", Canary),
    ];

    /// <summary>Forms of the values above. None of them may be shown.</summary>
    private static readonly string[] Forms =
        ["canary", "7041", "7,041", "14082", "yranac", "63616e617279", "zq", "ca-na", "70:41", "70.41", "11110000111", "\u20ac", "e2 82 ac", "d2f3b8"];

    [Fact]
    public async Task NoFormOfAValue_IsInAnAnswerOrTheLog()
    {
        var database = await server.CreateDatabaseAsync();
        await GatewayFixture.ExecuteAsync(database, Schema);
        var port = Ports.PickFree();
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string>
            {
                ["DSN"] = database,
                ["Gateway__Connections__default__AllowPrivilegedRole"] = "true",
                ["Serilog__MinimumLevel__Default"] = "Verbose",
            },
            $"--urls=http://127.0.0.1:{port}");
        using var caller = new GatewayClient(new Uri($"http://127.0.0.1:{port}"));

        var wrong = new StringBuilder();
        foreach (var (index, row) in Rows.Index())
        {
            foreach (var (form, answer, state, message) in await SendAsync(caller, row.Sql, row.Parameters, index))
            {
                var isExpected = row.State.Split(' ').Contains(state) && message.Contains(row.Words, StringComparison.Ordinal);
                var readsOnly = form == "query" && state == "25006";
                if (!isExpected && !readsOnly)
                    wrong.AppendLine($"{form} {row.Sql} is not {row.State} \"{row.Words}\": {answer}");
                foreach (var shown in Forms.Where(shown => answer.Contains(shown, StringComparison.OrdinalIgnoreCase)))
                    wrong.AppendLine($"{form} {row.Sql} shows {shown}: {answer}");
            }
        }
        Assert.Equal(0, await gateway.TerminateAsync());
        foreach (var shown in new[] { "canary", "yranac", "63616e617279" })
            Assert.DoesNotContain(shown, gateway.Output + gateway.Errors, StringComparison.OrdinalIgnoreCase);
        Assert.True(wrong.Length == 0, wrong.ToString());
    }

    [Fact]
    public async Task Development_MayShowErrorsWhole()
    {
        await using var development = await server.StartGatewayAsync("--environment=Development", "--Gateway:ShowErrorValues=true");

        var problem = (await development.Client.PostAsync("query", new { activityId = "a", sql = "SELECT $1::int", parameters = new[] { "shown" } }))
            .ExpectProblem(422, "sql_error");
        var error = (await development.Client.SqlAsync(new { query = "INSERT INTO users (email, name) VALUES ($1, 'x'), ($1, 'x')", @params = new[] { "shown" } }))
            .ExpectError(400, "23505");

        Assert.Equal("invalid input syntax for type integer: \"shown\"", problem.GetProperty("detail").GetString());
        Assert.Equal("Key (email)=(shown) already exists.", error.GetProperty("detail").GetString());
    }

    /// <summary>Returns the answers of the three protocols, without the parts that are not PostgreSQL's.</summary>
    private static async Task<IEnumerable<(string Form, string Answer, string? State, string Message)>> SendAsync(
        GatewayClient caller, string sql, object[] parameters, int index)
    {
        var query = await caller.PostAsync("query", new { activityId = "a", sql, parameters });
        var execute = await caller.PostAsync("execute", new { activityId = $"execute/{index}", sql, parameters });
        var neon = await caller.SqlAsync(new { query = sql, @params = parameters });
        return
        [
            ("query", Shown(query), Field(query.Json, "sqlState"), Field(query.Json, "detail") ?? ""),
            ("execute", Shown(execute), Field(execute.Json, "sqlState"), Field(execute.Json, "detail") ?? ""),
            ("sql", Shown(neon), Field(neon.Json, "code"), Field(neon.Json, "message") ?? ""),
        ];
    }

    private static string? Field(JsonElement body, string name) =>
        body.ValueKind == JsonValueKind.Object && body.TryGetProperty(name, out var field) ? field.GetString() : null;

    /// <summary>Removes the trace ID and the line in PostgreSQL's source, which may contain any digits.</summary>
    private static string Shown(Answer answer) => answer.Status == HttpStatusCode.OK
        ? $"answered {answer.Text.Length} characters"
        : string.Join("; ", answer.Json.EnumerateObject()
            .Where(field => field.Name is not ("traceId" or "line" or "activityId") && field.Value.ValueKind != JsonValueKind.Null)
            .Select(field => $"{field.Name}: {field.Value}"));
}
