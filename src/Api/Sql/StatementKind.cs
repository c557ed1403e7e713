namespace Gateway.Api.Sql;

/// <summary>What the gateway must know of a statement before it sends it.</summary>
internal enum StatementKind
{
    /// <summary>Any statement that the gateway passes on.</summary>
    Other,

    /// <summary>Nothing but white space, comments and semicolons.</summary>
    Empty,

    /// <summary>It begins, ends or alters a transaction, which is the gateway's own to do.</summary>
    TransactionControl,

    /// <summary>COPY, which takes the connection out of the request-and-rows protocol.</summary>
    Copy,
}

/// <summary>
/// Finds a statement's kind by its first keywords, as PostgreSQL's grammar (gram.y, 13 to 18) tells the commands apart.
/// It guards against mistakes and gives them a clear answer; it is no security boundary, as <c>set_config()</c> shows.
/// </summary>
internal static class LeadingKeyword
{
    private static readonly string[] Transactional =
        ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"];

    private static readonly string[] TransactionSettings =
        ["transaction_isolation", "transaction_read_only", "transaction_deferrable"];

    /// <summary>
    /// Reads on from before the first token. The keyword, for messages, is null for
    /// <see cref="StatementKind.Other"/> and <see cref="StatementKind.Empty"/>.
    /// </summary>
    public static (StatementKind Kind, string? Keyword) Read(SqlLexer lexer)
    {
        SkipEmptyStatements(ref lexer);
        if (lexer.Kind == SqlTokenKind.None)
            return (StatementKind.Empty, null);
        if (lexer.IsWord("COPY"))
            return (StatementKind.Copy, "COPY");

        var keyword = TransactionKeyword(ref lexer);
        return (keyword is null ? StatementKind.Other : StatementKind.TransactionControl, keyword);
    }

    /// <summary>
    /// Whether each <c>$n</c> is a parameter of what the statement makes, a function or a prepared statement, and it takes none itself.
    /// </summary>
    public static bool MakesWhatHasParameters(SqlLexer lexer)
    {
        SkipEmptyStatements(ref lexer);
        if (!lexer.IsWord("CREATE"))
            return lexer.IsWord("PREPARE");
        lexer.Next();
        if (lexer.IsWord("OR"))
        {
            // REPLACE, and what is behind it.
            lexer.Next();
            lexer.Next();
        }
        return lexer.IsWord("FUNCTION") || lexer.IsWord("PROCEDURE");
    }

    /// <summary>Moves to the first token of the statement that PostgreSQL runs: it drops the empty ones before.</summary>
    public static void SkipEmptyStatements(ref SqlLexer lexer)
    {
        while (lexer.Next() && lexer.IsSymbol(';'))
        {
        }
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

        // "transaction" is also a name that a prepared statement may have.
        lexer.Next();
        return lexer.IsWord("AS") || lexer.IsSymbol('(') ? null : "PREPARE TRANSACTION";
    }

    private static string? AfterSet(ref SqlLexer lexer)
    {
        while (lexer.Next() && (lexer.IsWord("LOCAL") || lexer.IsWord("SESSION")))
        {
            // SET LOCAL SESSION CHARACTERISTICS is grammatical: either word may stand before the other.
        }

        // Both words can also be the first half of a setting's name: SET transaction.colour = 'red'.
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
