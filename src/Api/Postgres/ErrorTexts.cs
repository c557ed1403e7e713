using System.Reflection;
using System.Text.RegularExpressions;
using Gateway.Api.Sql;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents the texts of a PostgreSQL error that are shown. Those of <see cref="WithoutValues"/> hold no value of a
/// parameter or a row, in whatever form the server prints it (docs/decisions/0011).
/// </summary>
/// <param name="Message">The message.</param>
/// <param name="Hint">The hint.</param>
/// <param name="Detail">The columns of a violated key, or the detail of a function's RAISE.</param>
/// <param name="InternalQuery">The statement of a function that failed, if it is a string in the caller's SQL.</param>
/// <param name="Where">The functions that the statement was in.</param>
internal sealed partial record ErrorTexts(
    string Message, string? Hint, string? Detail, string? InternalQuery, string? Where)
{
    private const string RaiseRoutine = "exec_stmt_raise";
    private const string RaisedClass = "P0";

    /// <summary>The meaning of each SQLSTATE in words, for messages that are not in English.</summary>
    private static readonly Dictionary<string, string> Conditions = ReadConditions();

    /// <summary>Returns the texts as PostgreSQL sent them, with values.</summary>
    public static ErrorTexts Whole(PostgresException error) =>
        new(error.MessageText, error.Hint, error.Detail, error.InternalQuery, error.Where);

    /// <summary>
    /// Returns the texts without values. Text in quotes is shown if it is in the SQL that was sent or in the error's
    /// own fields. Other text is shown if it is one of PostgreSQL's own words, or is there too. The texts of a
    /// function's RAISE are shown, because the function's author chose them.
    /// </summary>
    /// <param name="error">The error from PostgreSQL.</param>
    /// <param name="statements">The statement that failed, or the statements that may have failed.</param>
    public static ErrorTexts WithoutValues(PostgresException error, IReadOnlyList<BoundStatement> statements)
    {
        var where = ErrorWhere.Compose(error.Where);
        if (error.Routine == RaiseRoutine)
            return new ErrorTexts(error.MessageText, error.Hint, error.Detail, null, where);

        // If a regular expression or an operator of the caller's SQL is at fault, the text after the colon says why, or
        // which one. Without a position in the SQL, the operator's name was a value.
        var isOfOperator = error is
        {
            SqlState: PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.AmbiguousFunction,
            Position: > 0,
        };
        var tailIsProse = isOfOperator || error.SqlState == PostgresErrorCodes.InvalidRegularExpression;
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
    /// Returns the hint that suggests another name. PostgreSQL finds that name before anything runs, in the caller's
    /// SQL and in the catalog. An error in a function, which may have composed its SQL from values, has no position in
    /// the caller's SQL.
    /// </summary>
    private static string? HintOf(PostgresException error) =>
        error is { Position: > 0, Routine: "errorMissingColumn" or "errorMissingRTE" } ? error.Hint : null;

    /// <summary>Returns the names in the error's own fields, which the caller sees in any case.</summary>
    private static HashSet<string> FieldsOf(PostgresException error)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        string?[] fields =
            [error.SchemaName, error.TableName, error.ColumnName, error.DataTypeName, error.ConstraintName];
        foreach (var name in fields)
        {
            if (!string.IsNullOrEmpty(name))
                names.Add(name);
        }
        if (error.SchemaName is { Length: > 0 } schema && error.TableName is { Length: > 0 } table)
            names.Add($"{schema}.{table}");
        return names;
    }

    /// <summary>
    /// Returns whether the message is in English. A translated message has unknown words and other quotation marks. Its
    /// severity is translated too, except in a few languages; messages in those are known by their words.
    /// </summary>
    private static bool IsEnglish(PostgresException error) => error.Severity == error.InvariantSeverity;

    private static string InWords(string sqlState) => Conditions.TryGetValue(sqlState, out var words)
        ? $"PostgreSQL reports: {words}."
        : $"PostgreSQL reports SQLSTATE {sqlState}.";

    /// <summary>
    /// Returns the detail of a violated key without its values, for example <c>Key (email)=(…) already exists.</c>
    /// Programs look for the columns. The columns come before the values, and the table's name after them. Only
    /// PostgreSQL's own checks of constraints are known to write a detail in this form.
    /// </summary>
    private static string? DetailOf(PostgresException error)
    {
        if (error.Detail is not { } detail || KeyOf(detail) is not { } columns)
            return null;
        var key = $"Key ({columns})=({MessageText.Mark})";
        return error switch
        {
            {
                SqlState: PostgresErrorCodes.UniqueViolation,
                Routine: "_bt_check_unique" or "check_exclusion_or_unique_constraint",
            } => $"{key} already exists.",
            { SqlState: PostgresErrorCodes.UniqueViolation, Routine: { } routine }
                when routine.StartsWith("comparetup_index_btree", StringComparison.Ordinal) =>
                $"{key} is duplicated.",
            { SqlState: PostgresErrorCodes.ExclusionViolation, Routine: "check_exclusion_or_unique_constraint" } =>
                $"{key} conflicts with existing key ({columns})=({MessageText.Mark}).",
            { Routine: "ri_ReportViolation" }
                when detail.EndsWith($"referenced from table \"{error.TableName}\".", StringComparison.Ordinal) =>
                $"{key} is still referenced from table \"{error.TableName}\".",
            { Routine: "ri_ReportViolation" } when ReferredTableOf(detail) is { } referred =>
                $"{key} is not present in table \"{referred}\".",
            { Routine: "ri_ReportViolation" } => $"{key} violates the foreign key.",
            _ => null,
        };
    }

    /// <summary>
    /// Returns the referred table's name. The search is for PostgreSQL's own words at the end of the detail, so no
    /// value can be taken for the name.
    /// </summary>
    private static string? ReferredTableOf(string detail)
    {
        const string Before = ") is not present in table \"";
        var start = detail.LastIndexOf(Before, StringComparison.Ordinal);
        return start >= 0 && detail[(start + Before.Length)..] is [.. var name, '"', '.'] ? name : null;
    }

    /// <summary>Returns the text in the first parentheses, in any language; null if no value follows it.</summary>
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
