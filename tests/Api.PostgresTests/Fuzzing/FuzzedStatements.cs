using System.Globalization;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;

namespace Gateway.Api.PostgresTests.Fuzzing;

/// <summary>Generates SQL of every kind, mostly hostile, with parameters that usually fit.</summary>
internal static class FuzzedStatements
{
    /// <summary>Returns the state that an earlier request has left in the session.</summary>
    public const string Probe =
        "SELECT nullif(current_setting('fuzz.mark', true), '') AS mark, current_setting('search_path') AS path, "
        + "to_regclass('pg_temp.fuzz_left')::text AS left, (SELECT count(*) FROM pg_prepared_statements WHERE name = 'fuzz') AS prepared";

    /// <summary>The probe's result in a clean session.</summary>
    public const string CleanProbe = """[{"mark":null,"path":"\"$user\", public","left":null,"prepared":0}]""";

    private static readonly string[] Plain =
    [
        "SELECT 1", "SELECT 1 AS a, 2 AS a", "SELECT", "VALUES (1, 'a'), (2, NULL)", "TABLE fuzz", "SELECT * FROM fuzz LIMIT 3",
        "SELECT * FROM nowhere", "SELECT nothing FROM fuzz", "SELECT 1/0", "SELEC 1", "SELECT 'open", "SELECT $$open", "/* open", "--", ";",
        "SELECT 1; SELECT 2", "SELECT 1;", "COMMIT", "ROLLBACK", "ROLLBACK AND CHAIN", "BEGIN", "END", "ABORT", "SAVEPOINT a",
        "/* a */ COMMIT", "PREPARE TRANSACTION 'x'", "COPY fuzz TO STDOUT", "COPY fuzz FROM STDIN", "COPY fuzz TO PROGRAM 'true'",
        "SET search_path = pg_catalog", "SET fuzz.mark = 'left'", "SELECT set_config('fuzz.mark', 'left', false)", "RESET ALL",
        "SET SESSION AUTHORIZATION DEFAULT", "SET ROLE none", "SET TRANSACTION READ WRITE", "SET statement_timeout = 0",
        "DISCARD ALL", "DEALLOCATE ALL", "PREPARE fuzz AS SELECT 1", "LISTEN fuzz", "NOTIFY fuzz", "VACUUM", "CHECKPOINT", "LOAD 'x'",
        "CREATE TEMP TABLE fuzz_left (a int)", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH ALL FROM c", "LOCK TABLE fuzz",
        "SELECT pg_advisory_lock(7)", "SELECT pg_try_advisory_lock(8), pg_sleep(0.01)", "SELECT pg_sleep(0.05)", "SELECT pg_sleep(20)",
        "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT pg_cancel_backend(pg_backend_pid())",
        "SELECT count(*) FROM generate_series(1, 100000000)", "SELECT n, repeat('x', 1000) FROM generate_series(1, 10000) n",
        "SELECT repeat('x', 5000000)", "SELECT repeat(chr(1), 2000), chr(8232), E'\\t'",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        "INSERT INTO fuzz (b) VALUES ('x') RETURNING a", "INSERT INTO fuzz (a) VALUES (1)", "UPDATE fuzz SET b = b", "DELETE FROM fuzz WHERE a < 0",
        "CREATE TABLE public.fuzz_new (a int)", "DROP TABLE fuzz", "TRUNCATE fuzz", "SELECT * FROM pg_authid", "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM gateway.activities", "SELECT current_setting('gateway.proof', true)", "DO $$ BEGIN COMMIT; END $$",
        "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$",
        "DO $$ BEGIN RAISE NOTICE 'x'; END $$", "EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1", "SHOW ALL", "CALL nothing()", "EXECUTE fuzz",
        "SELECT NULL::int[], ARRAY[[1,2],[3,4]], ROW(1, 'a'), '{\"a\": [1]}'::jsonb, 'NaN'::float8, 'infinity'::timestamptz, '1 day'::interval",
        "SELECT '\\x00ff'::bytea, 1e300::numeric, 'a'::\"char\", '[1,5)'::int4range, '127.0.0.1'::inet, b'101', xmlelement(name a)",
        "SELECT (SELECT json_object_agg(n, n) FROM generate_series(1, 50) n), '[' || repeat('[', 90) || repeat(']', 90) || ']' AS nested",
        "SELECT DISTINCT ON (b) * FROM fuzz FOR UPDATE", "MERGE INTO fuzz USING fuzz f ON false WHEN NOT MATCHED THEN DO NOTHING",
        "SELECT lo_create(0)", "SELECT 1 AS \"\u00e9\u2603\", 2 AS \"a\"\"b\"", "SELECT pg_notify('a', 'b')", "SELECT * FROM fuzz f(x, x)", Probe, Probe,
    ];

    private static readonly (string Sql, string Parameters)[] WithParameters =
    [
        ("SELECT $1", "[1]"), ("SELECT $1::int", "[\"x\"]"), ("SELECT $1::jsonb", "[{\"a\": [1, null]}]"), ("SELECT $1::int[]", "[[1, [2]]]"),
        ("SELECT $1::text, $2::text", "[\"a\"]"), ("SELECT $2::int", "[1, 2]"), ("SELECT $0", "[1]"), ("SELECT $70000", "[1]"),
        ("SELECT :a::int, :b::text", "{\"a\": 1, \"b\": null}"), ("SELECT :a", "{\"b\": 1}"), ("SELECT :a, $1", "{\"a\": 1}"),
        ("SELECT ':a', \":b\", a[:lo : :hi] FROM (SELECT ARRAY[1,2,3] a) q(a), (SELECT 1) \":b\"(\":b\")", "{\"lo\": 1, \"hi\": 2}"),
        ("INSERT INTO fuzz (b) VALUES ($1) RETURNING *", "[\"\\ud83d\\ude00\"]"), ("SELECT * FROM fuzz WHERE a = ANY($1)", "[[1, 2, 3]]"),
        ("SELECT $1::numeric", "[1e400]"), ("SELECT $1::timestamptz", "[\"infinity\"]"), ("SELECT $1::bytea", "[\"\\\\x00\"]"),
        ("SELECT length($1::json::text)", "[{\"x\": [[[[[[[[]]]]]]]]}]"), ("SELECT $1::regclass", "[\"fuzz\"]"), ("SELECT $1::bool", "[true]"),
        ("SELECT $1::int", "[{\"$ref\": \"/0/rows/0/a\"}]"), ("SELECT $1::int", "[{\"$ref\": \"/7/rows\"}]"), ("SELECT $1::int", "[{\"$ref\": 5}]"),
    ];

    private static readonly string[] States =
    [
        "00001", "01000", "02000", "08000", "08006", "0A000", "22012", "23505", "25006", "25P02", "26000", "28000", "28P01", "2D000", "34000",
        "3D000", "40001", "40003", "40P01", "42601", "42501", "53300", "53400", "54000", "55P03", "57014", "57P01", "57P02", "57P03", "57P05",
        "58000", "58030", "72000", "F0000", "HV000", "P0001", "XX000", "XX001", "XX002", "GW001", "ZZZZZ",
    ];

    private static readonly Gen<(string Sql, string? Parameters)> Raised =
        from state in Gen.Elements(States)
        from length in Gen.Elements(1, 50, 5000)
        from text in Gen.Elements("a", "\u00e9", "\u2603", "%%", "\"", "\\\\", "\n", "\ud83d\ude00")
        select ($"DO $x$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = repeat('{text}', {length.ToString(CultureInfo.InvariantCulture)}), "
            + $"HINT = repeat('{text}', {length.ToString(CultureInfo.InvariantCulture)}), DETAIL = 'd', COLUMN = 'c', TABLE = repeat('t', 60); END $x$", (string?)null);

    /// <summary>Statements that are cut and joined at random positions.</summary>
    private static readonly Gen<(string Sql, string? Parameters)> Spoilt =
        from left in Gen.Elements(Plain)
        from right in Gen.Elements(Plain)
        from end in Gen.Choose(0, 60)
        from begin in Gen.Choose(0, 60)
        from between in Gen.Elements("", " ", ";", "'", "\"", "$$", "/*", "*/", "--", "\n", ":", "$1", "\\", "::", "E'", "U&\"", "\0", "\ufeff")
        select (left[..Math.Min(end, left.Length)] + between + right[Math.Min(begin, right.Length)..], (string?)null);

    public static readonly Gen<(string Sql, string? Parameters)> Any = Gen.Frequency(
        (10, Gen.Elements(Plain).Select(sql => (sql, (string?)null))),
        (6, Gen.Elements(WithParameters).Select(statement => (statement.Sql, (string?)statement.Parameters))),
        (2, Raised),
        (3, Spoilt));

    public static string Json(string text) => JsonSerializer.Serialize(text);
}
