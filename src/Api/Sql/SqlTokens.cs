namespace Gateway.Api.Sql;

/// <summary>Which texts stand in a statement as a token of it.</summary>
internal static class SqlTokens
{
    /// <summary>
    /// A statement, a function's body in it and the SQL in that one's strings: each level reads the text once more, so there is a bound.
    /// </summary>
    private const int DeepestLiteral = 3;

    /// <summary>PostgreSQL's identifiers have at most 63 bytes.</summary>
    private const int LongestName = 63;

    private const int MostParts = 4;

    private const int LongestOperator = 16;

    /// <summary>
    /// Finds texts that are a token of the statement: a name (with its qualifiers, and in lower case where it is not quoted), what is
    /// in a string or the string itself, a number, an operator. The SQL in a string counts as well. The time is linear in the length of the
    /// SQL, and nothing is allocated for what is not wanted.
    /// </summary>
    /// <param name="sql">The statement as it was sent.</param>
    /// <param name="wanted">The texts to look for.</param>
    /// <param name="found">Gets those that stand there.</param>
    public static void Find(ReadOnlySpan<char> sql, HashSet<string> wanted, HashSet<string> found)
    {
        if (wanted.Count > 0)
            new Search(wanted.GetAlternateLookup<ReadOnlySpan<char>>(), found).Read(sql, 1);
    }

    /// <summary>What is between a string's quotes; the doubled ones in it begin a token of their own.</summary>
    private static ReadOnlySpan<char> ContentOf(ReadOnlySpan<char> literal)
    {
        var opening = literal[0] == '$' ? literal[1..].IndexOf('$') + 2 : literal.IndexOf('\'') + 1;
        var closing = literal[0] == '$' ? opening : 1;
        return literal.Length >= opening + closing ? literal[opening..^closing] : literal[opening..];
    }

    private readonly ref struct Search(HashSet<string>.AlternateLookup<ReadOnlySpan<char>> wanted, HashSet<string> found)
    {
        private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> _wanted = wanted;
        private readonly HashSet<string> _found = found;

        public void Read(ReadOnlySpan<char> sql, int depth)
        {
            var lexer = new SqlLexer(sql, PlaceholderStyle.Positional);
            Span<char> name = stackalloc char[(LongestName + 1) * MostParts];
            // Of the qualified name that is being read: how long it is, of how many parts, and where it ends in the SQL.
            int length = 0, parts = 0, nameEnd = -1;
            int operatorStart = 0, operatorEnd = -1;
            while (lexer.Next())
            {
                Look(lexer.Token);
                switch (lexer.Kind)
                {
                    case SqlTokenKind.Word or SqlTokenKind.QuotedName:
                        var part = lexer.Kind == SqlTokenKind.Word ? lexer.Token : lexer.Token.Trim('"');
                        if (part.Length > LongestName)
                            break;
                        var follows = parts is > 0 and < MostParts && nameEnd == lexer.Start - 1 && sql[nameEnd] == '.';
                        if (follows)
                            name[length++] = '.';
                        else
                            (length, parts) = (0, 0);
                        Append(part, name[length..], isFolded: lexer.Kind == SqlTokenKind.Word);
                        Look(name.Slice(length, part.Length));
                        length += part.Length;
                        if (++parts > 1)
                            Look(name[..length]);
                        nameEnd = lexer.End;
                        break;
                    case SqlTokenKind.Literal:
                        var content = ContentOf(lexer.Token);
                        Look(content);
                        if (depth < DeepestLiteral)
                            Read(content, depth + 1);
                        break;
                    case SqlTokenKind.Symbol:
                        if (operatorEnd != lexer.Start || lexer.End - operatorStart > LongestOperator)
                            operatorStart = lexer.Start;
                        operatorEnd = lexer.End;
                        Look(sql[operatorStart..operatorEnd]);
                        break;
                }
            }
        }

        /// <summary>A name that is not quoted is the same in lower case to PostgreSQL, which shows it so.</summary>
        private static void Append(ReadOnlySpan<char> part, Span<char> name, bool isFolded)
        {
            for (var i = 0; i < part.Length; i++)
                name[i] = isFolded && char.IsAsciiLetterUpper(part[i]) ? (char)(part[i] | 0x20) : part[i];
        }

        private void Look(ReadOnlySpan<char> text)
        {
            if (_wanted.TryGetValue(text, out var known))
                _found.Add(known);
        }
    }
}
