using Gateway.Api.Sql;

namespace Gateway.Api.Tests.Sql;

public sealed class SqlTextKindTests
{
    [Theory]
    [InlineData("BEGIN", "BEGIN")]
    [InlineData("begin read only", "BEGIN")]
    [InlineData("START TRANSACTION", "START")]
    [InlineData("CoMmIt", "COMMIT")]
    [InlineData("COMMIT AND CHAIN", "COMMIT")]
    [InlineData("COMMIT PREPARED 'x'", "COMMIT")]
    [InlineData("END;", "END")]
    [InlineData("ROLLBACK TO s", "ROLLBACK")]
    [InlineData("ABORT", "ABORT")]
    [InlineData("SAVEPOINT s", "SAVEPOINT")]
    [InlineData("RELEASE s", "RELEASE")]
    // In any disguise.
    [InlineData(" \t\n\r\f\vCOMMIT", "COMMIT")]
    [InlineData(";;COMMIT", "COMMIT")]
    [InlineData(" ; -- x\n ; /* a /* b */ c */ COMMIT", "COMMIT")]
    [InlineData("-- COPY\rCOMMIT--", "COMMIT")]
    [InlineData("COMMIT/**/", "COMMIT")]
    [InlineData("COMMIT;SELECT 1", "COMMIT")]
    [InlineData("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION")]
    [InlineData("prepare/**/transaction--\n$$x$$", "PREPARE TRANSACTION")]
    [InlineData("PREPARE TRANSACTION U&'x'", "PREPARE TRANSACTION")]
    [InlineData("SET TRANSACTION READ WRITE", "SET TRANSACTION")]
    [InlineData("set/**/transaction isolation level serializable", "SET TRANSACTION")]
    [InlineData("SET TRANSACTION SNAPSHOT '1'", "SET TRANSACTION")]
    [InlineData("SET LOCAL TRANSACTION READ ONLY", "SET TRANSACTION")]
    [InlineData("SET SESSION TRANSACTION READ ONLY", "SET TRANSACTION")]
    [InlineData("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET SESSION CHARACTERISTICS")]
    [InlineData("SET LOCAL SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET SESSION CHARACTERISTICS")]
    [InlineData("SET transaction_isolation = 'serializable'", "SET transaction_isolation")]
    [InlineData("SET LOCAL Transaction_Read_Only TO off", "SET transaction_read_only")]
    [InlineData("SET SESSION \"transaction_deferrable\" = on", "SET transaction_deferrable")]
    [InlineData("RESET transaction_isolation", "RESET transaction_isolation")]
    [InlineData("RESET TRANSACTION ISOLATION LEVEL", "RESET TRANSACTION ISOLATION LEVEL")]
    public void TransactionControl_IsFound(string sql, string keyword) =>
        AssertKind(StatementKind.TransactionControl, keyword, sql);

    [Theory]
    [InlineData("COPY t FROM STDIN")]
    [InlineData(";copy (SELECT 1) TO STDOUT")]
    [InlineData("/**/Copy")]
    public void Copy_IsFound(string sql) => AssertKind(StatementKind.Copy, "COPY", sql);

    [Theory]
    [InlineData("")]
    [InlineData(" \t\n\r\f\v")]
    [InlineData(";")]
    [InlineData(" ; ; -- COMMIT")]
    [InlineData("/* COMMIT")]
    [InlineData("/* a */ -- b\n;")]
    public void NothingToRun_IsEmpty(string sql) => AssertKind(StatementKind.Empty, null, sql);

    [Theory]
    [InlineData("SELECT 1")]
    [InlineData("select/**/1")]
    [InlineData("(SELECT 1)")]
    [InlineData(" ; ( -- x\n (VALUES (1)) UNION TABLE t)")]
    [InlineData("VALUES (1)")]
    [InlineData("TABLE t")]
    [InlineData("SELECT 1; COMMIT")]
    [InlineData("WITH x AS (SELECT 1) SELECT")]
    public void Query_IsFound(string sql) => AssertKind(StatementKind.Query, null, sql);

    [Theory]
    [InlineData("(COMMIT)")]
    [InlineData("((EXPLAIN SELECT 1))")]
    [InlineData("\"select\" 1")]
    [InlineData("(")]
    [InlineData("EXPLAIN SELECT 1")]
    [InlineData("EXECUTE p")]
    [InlineData("INSERT INTO t SELECT 1")]
    [InlineData("\"commit\"")]
    [InlineData("'commit'")]
    [InlineData("commits")]
    [InlineData("commit$")]
    [InlineData("commit_")]
    [InlineData("commité")]
    [InlineData("\ufeffCOMMIT")]
    [InlineData("\u00a0COMMIT")]
    // Keywords are case-insensitive in ASCII only: to PostgreSQL these are no keywords, although Unicode folds them to
    // keywords.
    [InlineData("ſavepoint s")]
    [InlineData("rollbac\u212a")]
    [InlineData("$1 COMMIT")]
    [InlineData("EXPLAIN ANALYZE EXECUTE p")]
    [InlineData("DO $$ BEGIN COMMIT; END $$")]
    [InlineData("PREPARE p AS SELECT 1")]
    [InlineData("PREPARE transaction AS SELECT 1")]
    [InlineData("PREPARE transaction (int) AS SELECT $1")]
    [InlineData("PREPARE")]
    [InlineData("PREPARE \"transaction\" AS SELECT 1")]
    [InlineData("SET search_path = x")]
    [InlineData("SET LOCAL lock_timeout = 1")]
    [InlineData("SET SESSION AUTHORIZATION x")]
    [InlineData("SET SESSION SESSION AUTHORIZATION x")]
    [InlineData("SET transaction.colour = 'red'")]
    [InlineData("SET characteristics.colour = 'red'")]
    [InlineData("SET transaction_isolation_x = 1")]
    [InlineData("SET default_transaction_read_only = on")]
    [InlineData("SET \"\" = 1")]
    [InlineData("SET \"")]
    [InlineData("SET LOCAL")]
    [InlineData("SET")]
    [InlineData("RESET ALL")]
    [InlineData("RESET transaction.colour")]
    [InlineData("RESET")]
    [InlineData("SHOW transaction_isolation")]
    public void AnythingElse_IsOther(string sql) => AssertKind(StatementKind.Other, null, sql);

    private static void AssertKind(StatementKind kind, string? keyword, string sql)
    {
        foreach (var style in Enum.GetValues<PlaceholderStyle>())
        {
            var scan = SqlText.Scan(sql, style);
            Assert.Equal((kind, keyword), (scan.Kind, scan.Keyword));
        }
    }
}
