namespace Gateway.Api.Sql;

/// <summary>The kind of a statement, which the gateway must know before it sends the statement.</summary>
internal enum StatementKind
{
    /// <summary>Any statement that the gateway passes on.</summary>
    Other,

    /// <summary>White space, comments and semicolons only.</summary>
    Empty,

    /// <summary>A statement that begins, ends or alters a transaction; only the gateway may do that.</summary>
    TransactionControl,

    /// <summary>COPY, which leaves the protocol of requests and rows.</summary>
    Copy,

    /// <summary>
    /// SELECT, WITH, VALUES or TABLE. In a READ ONLY transaction it can change the session's state only by functions
    /// that it calls.
    /// </summary>
    Query,
}

/// <summary>
/// Finds a statement's kind by its first keywords, as PostgreSQL's grammar (gram.y of versions 13 to 18) does. It
/// catches mistakes and answers them clearly. It is no security boundary: <c>set_config()</c>, for example, is not
/// recognised.
/// </summary>
internal static class LeadingKeyword
{
    private static readonly string[] Transactional =
        ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"];

    private static readonly string[] Queries = ["SELECT", "WITH", "VALUES", "TABLE"];

    private static readonly string[] TransactionSettings =
        ["transaction_isolation", "transaction_read_only", "transaction_deferrable"];

    /// <summary>
    /// Reads the kind from a lexer before its first token. The keyword is for messages; it is null for
    /// <see cref="StatementKind.Other"/>, <see cref="StatementKind.Query"/> and <see cref="StatementKind.Empty"/>.
    /// </summary>
    public static (StatementKind Kind, string? Keyword) Read(SqlLexer lexer)
    {
        SkipEmptyStatements(ref lexer);
        if (lexer.Kind == SqlTokenKind.None)
            return (StatementKind.Empty, null);
        if (lexer.IsWord("COPY"))
            return (StatementKind.Copy, "COPY");
        if (IsQuery(lexer))
            return (StatementKind.Query, null);

        var keyword = TransactionKeyword(ref lexer);
        return (keyword is null ? StatementKind.Other : StatementKind.TransactionControl, keyword);
    }

    /// <summary>
    /// Returns whether the statement creates a function, a procedure or a prepared statement. Each <c>$n</c> is a
    /// parameter of that, and the statement itself has no parameters.
    /// </summary>
    public static bool MakesWhatHasParameters(SqlLexer lexer)
    {
        SkipEmptyStatements(ref lexer);
        if (!lexer.IsWord("CREATE"))
            return lexer.IsWord("PREPARE");
        lexer.Next();
        if (lexer.IsWord("OR"))
        {
            // Moves past REPLACE.
            lexer.Next();
            lexer.Next();
        }
        return lexer.IsWord("FUNCTION") || lexer.IsWord("PROCEDURE");
    }

    /// <summary>
    /// Moves to the first token of the statement that PostgreSQL runs. PostgreSQL ignores empty statements before it.
    /// </summary>
    public static void SkipEmptyStatements(ref SqlLexer lexer)
    {
        while (lexer.Next() && lexer.IsSymbol(';'))
        {
        }
    }

    /// <summary>Returns whether the first word, after any parentheses, is that of a query.</summary>
    private static bool IsQuery(SqlLexer lexer)
    {
        while (lexer.IsSymbol('(') && lexer.Next())
        {
        }
        foreach (var keyword in Queries)
        {
            if (lexer.IsWord(keyword))
                return true;
        }
        return false;
    }

    private static string? TransactionKeyword(ref SqlLexer lexer)
    {
        foreach (var keyword in Transactional)
        {
            if (lexer.IsWord(keyword))
                return keyword;
        }

        if (lexer.IsWord("PREPARE"))
            return AfterPrepare(ref lexer);
        if (lexer.IsWord("SET"))
            return AfterSet(ref lexer);
        return lexer.IsWord("RESET") ? AfterReset(ref lexer) : null;
    }

    private static string? AfterPrepare(ref SqlLexer lexer)
    {
        if (!lexer.Next() || !lexer.IsWord("TRANSACTION"))
            return null;

        // A prepared statement may be named "transaction".
        lexer.Next();
        return lexer.IsWord("AS") || lexer.IsSymbol('(') ? null : "PREPARE TRANSACTION";
    }

    private static string? AfterSet(ref SqlLexer lexer)
    {
        while (lexer.Next() && (lexer.IsWord("LOCAL") || lexer.IsWord("SESSION")))
        {
            // The grammar also allows both words: SET LOCAL SESSION CHARACTERISTICS.
        }

        // Both words can also be the first part of a setting's name: SET transaction.colour = 'red'.
        if (lexer.IsWord("CHARACTERISTICS"))
            return lexer.Next() && lexer.IsWord("AS") ? "SET SESSION CHARACTERISTICS" : null;
        if (lexer.IsWord("TRANSACTION"))
            return lexer.Next() && lexer.Kind == SqlTokenKind.Word ? "SET TRANSACTION" : null;
        return TransactionSetting(lexer) is { } setting ? $"SET {setting}" : null;
    }

    private static string? AfterReset(ref SqlLexer lexer)
    {
        lexer.Next();
        if (lexer.IsWord("TRANSACTION"))
            return lexer.Next() && lexer.IsWord("ISOLATION") ? "RESET TRANSACTION ISOLATION LEVEL" : null;
        return TransactionSetting(lexer) is { } setting ? $"RESET {setting}" : null;
    }

    private static string? TransactionSetting(SqlLexer lexer)
    {
        foreach (var setting in TransactionSettings)
        {
            if (lexer.IsSetting(setting))
                return setting;
        }

        return null;
    }
}
