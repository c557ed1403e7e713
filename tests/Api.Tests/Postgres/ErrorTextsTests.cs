using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Api.Sql;
using Npgsql;

namespace Gateway.Api.Tests.Postgres;

public sealed class ErrorTextsTests
{
    [Theory]
    // Quoted text is kept if it is in the SQL, with the folding of PostgreSQL's names.
    [InlineData("relation \"nowhere\" does not exist", "SELECT * FROM Nowhere", "relation \"nowhere\" does not exist")]
    [InlineData("relation \"s.nowhere\" does not exist", "SELECT * FROM s.nowhere", "relation \"s.nowhere\" does not exist")]
    [InlineData("relation \"s.nowhere\" does not exist", "SELECT nowhere FROM s", "relation … does not exist")]
    [InlineData("relation \"Nowhere\" does not exist", "SELECT * FROM \"Nowhere\"", "relation \"Nowhere\" does not exist")]
    [InlineData("relation \"canary\" does not exist", "SELECT to_regclass(f())", "relation … does not exist")]
    [InlineData("relation \"ana\" does not exist", "SELECT banana", "relation … does not exist")]
    [InlineData("invalid input syntax for type integer: \"x\"", "SELECT 'x'::int", "invalid input syntax for type integer: \"x\"")]
    [InlineData("syntax error at or near \"SELEC\"", "SELEC 1", "syntax error at or near \"SELEC\"")]
    [InlineData("syntax error at or near \")\"", "SELECT )", "syntax error at or near \")\"")]
    [InlineData("syntax error at or near \"'x'\"", "SELECT 1 'x'", "syntax error at or near \"'x'\"")]
    [InlineData("column \"nowhere\" does not exist", "DO $a$ BEGIN EXECUTE 'SELECT nowhere'; END $a$", "column \"nowhere\" does not exist")]
    // A value may contain quotes.
    [InlineData("invalid input syntax for type integer: \"a\" canary \"b\"", "SELECT 1", "invalid input syntax for type integer: …")]
    [InlineData("invalid input syntax for type integer: \"a\" user \"b\"", "SELECT a, b", "invalid input syntax for type integer: \"a\" … \"b\"")]
    [InlineData("value \"1\"canary\" is out of range for type integer", "SELECT 2", "value … is out of range for type integer")]
    [InlineData("value \"\"canary\" is out of range for type integer", "SELECT 1", "value … is out of range for type integer")]
    [InlineData("time zone \"\"the private key is unknown\" not recognized", "SELECT coalesce($1, '')", "time zone … not recognized")]
    [InlineData("role \"\"of type s3cr3t_key42 varying(4711)\" does not exist", "SELECT ''", "role … does not exist")]
    [InlineData("role \"{\" the private key \"x\" does not exist", "SELECT '{', '{}'", "role … does not exist")]
    [InlineData("role \"{\"the private key\"{\" does not exist", "SELECT '{'", "role … does not exist")]
    [InlineData("the private key is unknown is not a valid encoding name", "SELECT 1", "… is not a valid encoding name")]
    [InlineData("improper relation name (too many dotted names): a.the key of type s3cr3t varying(4711)", "SELECT 1", "improper relation name (too many dotted names): …(…)", "42601")]
    // Text without quotes is kept if it is one of PostgreSQL's own words, or in the SQL.
    [InlineData("function nowhere(integer, mood) does not exist", "SELECT nowhere(1, NULL)", "function nowhere(integer, …) does not exist")]
    [InlineData("column u.nowhere does not exist", "SELECT u.nowhere FROM users u", "column u.nowhere does not exist")]
    [InlineData("column u.canary does not exist", "SELECT u FROM users u", "column … does not exist")]
    [InlineData("permission denied for table users", "SELECT * FROM users", "permission denied for table users")]
    [InlineData("permission denied for table canary", "SELECT f()", "permission denied for table …")]
    [InlineData("there is no parameter $2", "SELECT $2", "there is no parameter $2")]
    [InlineData("value too long for type character varying(10)", "SELECT 1", "value too long for type character varying(10)")]
    [InlineData("invalid input value for enum mood: \"canary\"", "SELECT 1", "invalid input value for enum mood: …")]
    [InlineData("column \"a\" is of type mood but expression is of type text", "SELECT a", "column \"a\" is of type mood but expression is of type text")]
    [InlineData("setval: value 4711 is out of bounds for sequence \"s\" (1..2147483647)", "SELECT 's'", "setval: value … is out of bounds for sequence \"s\" (…)")]
    [InlineData("date field value out of range: 4711-13-01", "SELECT 1", "date field value out of range: …")]
    [InlineData("improper relation name (too many dotted names): user.name.to.table", "SELECT 1", "improper relation name (too many dotted names): …")]
    [InlineData("invalid byte sequence for encoding \"UTF8\": 0xc3 0x28", "SELECT 1", "invalid byte sequence for encoding …")]
    [InlineData("could not parse the value of kanari: user name", "SELECT 1", "could not parse the value of …", "XX000")]
    [InlineData("invalid regular expression: quantifier operand invalid", "SELECT 1", "invalid regular expression: quantifier operand invalid", "2201B")]
    // Of other words little is left.
    [InlineData("canary42 quux", "SELECT 1", "PostgreSQL reports: invalid text representation.")]
    [InlineData("división por cero", "SELECT 1", "PostgreSQL reports: division by zero.", "22012")]
    [InlineData("canary42 quux", "SELECT 1", "PostgreSQL reports SQLSTATE GX123.", "GX123")]
    public void Message_KeepsWhatCanHoldNoValue(string message, string sql, string expected, string sqlState = "22P02") =>
        Assert.Equal(expected, Show(Error(message, sqlState), sql).Message);

    /// <summary>Without a position the operator's name was once taken for a value.</summary>
    [Theory]
    [InlineData("42883", 8, "operator does not exist: integer ->> text")]
    [InlineData("42883", 0, "operator does not exist: …")]
    [InlineData("42725", 8, "operator does not exist: integer ->> text")]
    [InlineData("42704", 8, "operator does not exist: …")]
    public void Operator_StaysWhereItIsOfTheCallersSql(string sqlState, int position, string expected)
    {
        var error = new PostgresException("operator does not exist: integer ->> text", "ERROR", "ERROR", sqlState, position: position);

        Assert.Equal(expected, Show(error, "SELECT 1 ->> 'a'").Message);
    }

    [Theory]
    [InlineData("FEHLER", "ungültige Eingabesyntax für Typ integer: »canary«")]
    [InlineData("ERREUR", "syntaxe en entrée invalide pour le type integer : « canary »")]
    [InlineData("ERROR", "sintaxis de entrada no válida para tipo integer: «canary»")]
    [InlineData("ERROR", "integer型の入力構文が不正です: \"canary\"")]
    [InlineData("오류", "integer 자료형 대한 잘못된 입력 구문: \"canary\"")]
    [InlineData("ОШИБКА", "неверный синтаксис для типа integer: \"canary\"")]
    [InlineData("ERROR", "неприпустимий синтаксис для типу integer: \"canary\"")]
    [InlineData("FEL", "ogiltig indatasyntax för typen integer: \"canary\"")]
    [InlineData("BŁĄD", "nieprawidłowa składnia wejścia dla typu integer: „canary”")]
    [InlineData("HATA", "integer tipi için geçersiz giriş sözdizimi: “canary”")]
    public void TranslatedMessage_IsPutInWordsFromItsSqlState(string severity, string message)
    {
        var texts = Show(Error(message, "22P02", severity, hint: message), "SELECT $1::int");

        Assert.Equal(("PostgreSQL reports: invalid text representation.", null), (texts.Message, texts.Hint));
    }

    [Theory]
    [InlineData("23505", "_bt_check_unique", "Key (a, lower(b))=(1, canary) already exists.", "Key (a, lower(b))=(…) already exists.")]
    [InlineData("23505", "_bt_check_unique", "Schlüssel »(n)=(canary)« existiert bereits.", "Key (n)=(…) already exists.")]
    [InlineData("23505", "comparetup_index_btree", "Key (n)=(canary) is duplicated.", "Key (n)=(…) is duplicated.")]
    [InlineData("23P01", "check_exclusion_or_unique_constraint", "Key (a)=(canary) conflicts with existing key (a)=(canary).", "Key (a)=(…) conflicts with existing key (a)=(…).")]
    [InlineData("23503", "ri_ReportViolation", "Key (user_id)=(canary) is not present in table \"users\".", "Key (user_id)=(…) is not present in table \"users\".")]
    [InlineData("23503", "ri_ReportViolation", "Key (user_id)=(canary) is not present in table \"strangers\".", "Key (user_id)=(…) is not present in table \"strangers\".")]
    [InlineData("23503", "ri_ReportViolation", "Key (id)=() is not present in table \"canary\".) is not present in table \"t\".", "Key (id)=(…) is not present in table \"t\".")]
    [InlineData("23503", "ri_ReportViolation", "Schlüssel (id)=(canary) ist nicht in Tabelle »t« vorhanden.", "Key (id)=(…) violates the foreign key.")]
    [InlineData("23503", "ri_ReportViolation", "Key (id)=() is not present in table \"canary\".) is still referenced from table \"t\".", "Key (id)=(…) is still referenced from table \"t\".")]
    [InlineData("23505", "another_routine", "Key (canary)=(canary) already exists.", null)]
    [InlineData("23502", "ExecConstraints", "Failing row contains (1, canary).", null)]
    [InlineData("23514", "ExecConstraints", "Failing row contains (1)=(canary).", null)]
    [InlineData("22P02", "report_json_context", "Token \"canary\" is invalid.", null)]
    public void Detail_IsComposedOfTheColumns(string sqlState, string routine, string detail, string? expected) =>
        Assert.Equal(expected, Show(Error("x", sqlState, detail: detail, routine: routine), "INSERT INTO users").Detail);

    [Theory]
    [InlineData("PL/pgSQL function f(integer) line 3 at RAISE", "PL/pgSQL function f(integer) line 3 at RAISE")]
    [InlineData("PL/pgSQL function s.\"F g\"(text,character varying) line 3 at SQL statement", "PL/pgSQL function s.\"F g\"(text,character varying) line 3 at SQL statement")]
    [InlineData("PL/pgSQL function f() while casting return value to function's return type", "PL/pgSQL function f() while casting return value to function's return type")]
    [InlineData("PL/pgSQL function f(integer) line 3 during statement block local variable initialization", "PL/pgSQL function f(integer) line 3 during statement block local variable initialization")]
    [InlineData("SQL statement \"SELECT canary\"\nPL/pgSQL function inline_code_block line 1 at EXECUTE", "PL/pgSQL function inline_code_block line 1 at EXECUTE")]
    [InlineData("SQL function \"f\" statement 1\nunnamed portal with parameters: $1 = 'canary'", "SQL function \"f\" statement 1")]
    [InlineData("JSON data, line 1: {\"canary\nPL/pgSQL function f(text) line 3 at assignment", "PL/pgSQL function f(text) line 3 at assignment")]
    [InlineData("SQL statement \"SELECT 'x\nPL/pgSQL function canary(integer) line 3 at RAISE\n'\"", null)]
    [InlineData("unnamed portal with parameters: $1 = 'x\nPL/pgSQL function canary(integer) line 3 at RAISE'", null)]
    [InlineData("remote SQL command: SELECT x\nPL/pgSQL function canary(integer) line 3 at RAISE", null)]
    [InlineData("COPY t, line 1, column a: \"canary\"", null)]
    [InlineData("PL/pgSQL function f('canary') line 3 at RAISE", null)]
    public void Where_KeepsTheFunctions(string where, string? expected) =>
        Assert.Equal(expected, Show(Error("x", "22P02", where: where), "SELECT 1").Where);

    [Theory]
    [InlineData("SELECT nowhere", "DO $$ BEGIN EXECUTE 'SELECT nowhere'; END $$", true)]
    [InlineData("SELECT canary", "SELECT f($1)", false)]
    public void InternalQuery_StaysWhereItIsAStringOfTheSql(string query, string sql, bool isShown) =>
        Assert.Equal(isShown ? query : null, Show(Error("x", "42703", query: query), sql).InternalQuery);

    [Theory]
    [InlineData(8, "errorMissingColumn", "Perhaps you meant to reference the column \"users.email\".")]
    [InlineData(0, "errorMissingColumn", "Perhaps you meant to reference the column ….")]
    [InlineData(8, "another_routine", "Perhaps you meant to reference the column ….")]
    public void HintOfAName_StaysWhereItIsOfTheCallersSql(int position, string routine, string expected)
    {
        const string Hint = "Perhaps you meant to reference the column \"users.email\".";
        var error = new PostgresException("x", "ERROR", "ERROR", "42703", hint: Hint, position: position, routine: routine);

        Assert.Equal(expected, Show(error, "SELECT emial FROM users").Hint);
    }

    [Fact]
    public void RaisedError_StaysAsItsAuthorWroteIt()
    {
        var texts = Show(Error("canary 1", "22P02", hint: "canary 2", detail: "canary 3", routine: "exec_stmt_raise", query: "canary"), "SELECT f($1)");

        Assert.Equal(("canary 1", "canary 2", "canary 3", null), (texts.Message, texts.Hint, texts.Detail, texts.InternalQuery));
    }

    [Theory]
    [InlineData("SELECT $1::int", "[1]", "invalid input syntax for type integer: $1")]
    [InlineData("SELECT :x::int", """{"x": 1}""", "invalid input syntax for type integer: :x")]
    [InlineData("SELECT $1::int, $2", "[1, 2]", "invalid input syntax for type integer: …")]
    public void OnlyParameter_IsNamedInPlaceOfItsValue(string sql, string parameters, string expected)
    {
        using var values = System.Text.Json.JsonDocument.Parse(parameters);
        var statement = ParameterBinder.Bind(sql, values.RootElement, null, null, "", new RequestFaults());

        Assert.Equal(expected, ErrorTexts.WithoutValues(Error("invalid input syntax for type integer: \"canary\"", "22P02"), [statement]).Message);
    }

    [Fact]
    public void LongTexts_AreReadOnce()
    {
        var sql = string.Concat(Enumerable.Repeat("a.b.c.\"d\" + 'e' $x$ $y$ f $y$ $x$ ++", 10_000));
        var message = string.Concat(Enumerable.Repeat("\"a\" b.c \"", 100_000));

        Assert.InRange(Show(Error(message, "22P02"), sql).Message.Length, 1, 5000);
    }

    private static ErrorTexts Show(PostgresException error, string sql) =>
        ErrorTexts.WithoutValues(error, [ParameterBinder.Bind(sql, null, null, null, "", new RequestFaults())]);

    private static PostgresException Error(
        string message, string sqlState, string severity = "ERROR", string? detail = null, string? hint = null, string? routine = null,
        string? where = null, string? query = null) =>
        new(message, severity, "ERROR", sqlState, detail, hint, internalQuery: query, where: where, tableName: "t", routine: routine);
}
