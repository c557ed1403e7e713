using System.Reflection;
using System.Text.RegularExpressions;
using Gateway.Api.Sql;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// The texts of PostgreSQL's error as they are shown. They hold no value of a parameter or a row, in whatever form the server prints it
/// (docs/decisions/0011).
/// </summary>
/// <param name="Message">What happened.</param>
/// <param name="Hint">The cure.</param>
/// <param name="Detail">Of a violated key, its columns; of a function's RAISE, what it says.</param>
/// <param name="InternalQuery">The statement of a function's that failed, where it is a string of the caller's SQL.</param>
/// <param name="Where">The functions that the statement was in.</param>
internal sealed partial record ErrorTexts(string Message, string? Hint, string? Detail, string? InternalQuery, string? Where)
{
    private const string RaiseRoutine = "exec_stmt_raise";
    private const string RaisedClass = "P0";

    /// <summary>What each SQLSTATE means in words, for messages in other languages than English.</summary>
    private static readonly Dictionary<string, string> Conditions = ReadConditions();

    /// <summary>As PostgreSQL sent them, values and all.</summary>
    public static ErrorTexts Whole(PostgresException error) =>
        new(error.MessageText, error.Hint, error.Detail, error.InternalQuery, error.Where);

    /// <summary>
    /// What is in quotes stays where it stands in the SQL that was sent or in the error's own fields, and what is not where it is a word
    /// of PostgreSQL's. What a function raises by itself is its author's, and stays.
    /// </summary>
    /// <param name="error">What PostgreSQL sent.</param>
    /// <param name="statements">The statement that failed, or those that it may have been.</param>
    public static ErrorTexts WithoutValues(PostgresException error, IReadOnlyList<BoundStatement> statements)
    {
        var where = ErrorWhere.Compose(error.Where);
        if (error.Routine == RaiseRoutine)
            return new ErrorTexts(error.MessageText, error.Hint, error.Detail, null, where);

        // An operator of the caller's SQL or a regular expression is at fault: what is behind the colon says which. Where the error has no
        // position, the operator's name was a value.
        var tailIsProse = error.SqlState == PostgresErrorCodes.InvalidRegularExpression
            || (error is { SqlState: PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.AmbiguousFunction, Position: > 0 });
        var message = new MessageText(error.MessageText, tailIsProse);
        var hint = error.Hint is null ? null : new MessageText(error.Hint, tailIsProse: true);

        var wanted = new HashSet<string>(StringComparer.Ordinal);
        message.AddDoubtful(wanted);
        hint?.AddDoubtful(wanted);
        if (error.InternalQuery is { } composed)
            wanted.Add(composed);
        var standing = FieldsOf(error);
        foreach (var statement in statements)
            SqlTokens.Find(statement.Sql.Text, wanted, standing);

        var mark = statements is [var only] ? only.OnlyParameter ?? MessageText.Mark : MessageText.Mark;
        var isRaised = error.SqlState.StartsWith(RaisedClass, StringComparison.Ordinal);
        return new ErrorTexts(
            isRaised ? error.MessageText
                : IsEnglish(error) && message.Show(standing, mark) is { } shown ? shown
                : InWords(error.SqlState),
            isRaised ? error.Hint : HintOf(error) ?? (IsEnglish(error) ? hint?.Show(standing, MessageText.Mark) : null),
            DetailOf(error),
            error.InternalQuery is { } query && standing.Contains(query) ? query : null,
            where);
    }

    /// <summary>
    /// Which name was meant: found before anything runs, among the names of the caller's SQL and the catalog. Within a function, which may
    /// have composed its SQL of values, an error has no position in the caller's.
    /// </summary>
    private static string? HintOf(PostgresException error) =>
        error is { Position: > 0, Routine: "errorMissingColumn" or "errorMissingRTE" } ? error.Hint : null;

    /// <summary>The names that the error has fields for; a caller sees those anyway.</summary>
    private static HashSet<string> FieldsOf(PostgresException error)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in new[] { error.SchemaName, error.TableName, error.ColumnName, error.DataTypeName, error.ConstraintName })
        {
            if (!string.IsNullOrEmpty(name))
                names.Add(name);
        }
        if (error.SchemaName is { Length: > 0 } schema && error.TableName is { Length: > 0 } table)
            names.Add($"{schema}.{table}");
        return names;
    }

    /// <summary>
    /// A translated message has words that are not known here, and its quotes are others. The severity is translated as well, save in a few
    /// languages; whose messages show by their words.
    /// </summary>
    private static bool IsEnglish(PostgresException error) => error.Severity == error.InvariantSeverity;

    private static string InWords(string sqlState) => Conditions.TryGetValue(sqlState, out var words)
        ? $"PostgreSQL reports: {words}."
        : $"PostgreSQL reports SQLSTATE {sqlState}.";

    /// <summary>
    /// The columns of a violated key, which programs look for: <c>Key (email)=(…) already exists.</c> They stand before the values, and a
    /// table's name behind them. Only PostgreSQL's own checks of constraints are known to write a detail so.
    /// </summary>
    private static string? DetailOf(PostgresException error)
    {
        if (error.Detail is not { } detail || KeyOf(detail) is not { } columns)
            return null;
        var key = $"Key ({columns})=({MessageText.Mark})";
        return error switch
        {
            { SqlState: PostgresErrorCodes.UniqueViolation, Routine: "_bt_check_unique" or "check_exclusion_or_unique_constraint" } =>
                $"{key} already exists.",
            { SqlState: PostgresErrorCodes.UniqueViolation, Routine: { } routine }
                when routine.StartsWith("comparetup_index_btree", StringComparison.Ordinal) =>
                $"{key} is duplicated.",
            { SqlState: PostgresErrorCodes.ExclusionViolation, Routine: "check_exclusion_or_unique_constraint" } =>
                $"{key} conflicts with existing key ({columns})=({MessageText.Mark}).",
            { Routine: "ri_ReportViolation" } when detail.EndsWith($"referenced from table \"{error.TableName}\".", StringComparison.Ordinal) =>
                $"{key} is still referenced from table \"{error.TableName}\".",
            { Routine: "ri_ReportViolation" } when ReferredTableOf(detail) is { } referred => $"{key} is not present in table \"{referred}\".",
            { Routine: "ri_ReportViolation" } => $"{key} violates the foreign key.",
            _ => null,
        };
    }

    /// <summary>PostgreSQL's own words come last, so that no value can pass for the table's name.</summary>
    private static string? ReferredTableOf(string detail)
    {
        const string Before = ") is not present in table \"";
        var start = detail.LastIndexOf(Before, StringComparison.Ordinal);
        return start >= 0 && detail[(start + Before.Length)..] is [.. var name, '"', '.'] ? name : null;
    }

    /// <summary>What is in the first parentheses, in any language; null where no value follows.</summary>
    private static string? KeyOf(string detail)
    {
        var start = detail.IndexOf('(') + 1;
        var end = detail.IndexOf(")=(", StringComparison.Ordinal);
        return start > 0 && end >= start ? detail[start..end] : null;
    }

    private static Dictionary<string, string> ReadConditions()
    {
        var conditions = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var field in typeof(PostgresErrorCodes).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            if (field.GetValue(null) is string state)
                conditions.TryAdd(state, CapitalLetter().Replace(field.Name, " $0").TrimStart().ToLowerInvariant());
        }
        return conditions;
    }

    [GeneratedRegex("(?<=[a-z])[A-Z]", RegexOptions.CultureInvariant)]
    private static partial Regex CapitalLetter();
}
