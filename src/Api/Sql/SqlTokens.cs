namespace Gateway.Api.Sql;

/// <summary>Finds given texts among the tokens of a statement.</summary>
internal static class SqlTokens
{
    /// <summary>
    /// The maximum nesting: a statement, a function's body in it, and the SQL in that body's strings. Each level reads
    /// the text once more, so it must be bounded.
    /// </summary>
    private const int DeepestLiteral = 3;

    /// <summary>The maximum length of an identifier in PostgreSQL, in bytes.</summary>
    private const int LongestName = 63;

    private const int MostParts = 4;

    private const int LongestOperator = 16;

    /// <summary>
    /// Finds texts that are a token of the statement: a name (with its qualifiers, and in lower case if it is not
    /// quoted), a string or its content, a number or an operator. SQL inside strings counts too. The time is linear in
    /// the length of the SQL, and texts that are not wanted cause no allocation.
    /// </summary>
    /// <param name="sql">The statement as it was sent.</param>
    /// <param name="wanted">The texts to look for.</param>
    /// <param name="found">Receives the texts that were found.</param>
    public static void Find(ReadOnlySpan<char> sql, HashSet<string> wanted, HashSet<string> found)
    {
        if (wanted.Count > 0)
            new Search(wanted.GetAlternateLookup<ReadOnlySpan<char>>(), found).Read(sql, 1);
    }

    /// <summary>Returns the text between a string's quotes. A doubled quote in it begins a separate token.</summary>
    private static ReadOnlySpan<char> ContentOf(ReadOnlySpan<char> literal)
    {
        var opening = literal[0] == '$' ? literal[1..].IndexOf('$') + 2 : literal.IndexOf('\'') + 1;
        var closing = literal[0] == '$' ? opening : 1;
        return literal.Length >= opening + closing ? literal[opening..^closing] : literal[opening..];
    }

    private readonly ref struct Search(
        HashSet<string>.AlternateLookup<ReadOnlySpan<char>> wanted, HashSet<string> found)
    {
        private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> _wanted = wanted;
        private readonly HashSet<string> _found = found;

        public void Read(ReadOnlySpan<char> sql, int depth)
        {
            var lexer = new SqlLexer(sql, PlaceholderStyle.Positional);
            Span<char> name = stackalloc char[(LongestName + 1) * MostParts];
            // The qualified name that is being read: its length, the number of its parts, and its end in the SQL.
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

        /// <summary>
        /// Appends a part of a name. PostgreSQL folds an unquoted name to lower case, and shows it so.
        /// </summary>
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
