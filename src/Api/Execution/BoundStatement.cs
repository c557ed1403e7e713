using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.Execution;

/// <summary>A statement with its parameters as PostgreSQL's text input, in the order of <c>$1…$n</c>.</summary>
/// <param name="Sql">The scanned statement.</param>
/// <param name="Values">A parameter's text, or null for NULL and for what a reference stands for.</param>
/// <param name="References">The parameters that are values of earlier statements' results.</param>
internal sealed record BoundStatement(SqlText Sql, IReadOnlyList<string?> Values, IReadOnlyList<ResultReference> References)
{
    /// <summary>With the references replaced by what they refer to.</summary>
    /// <exception cref="Errors.Failure"><c>expectation_failed</c>: the results have no such value.</exception>
    public BoundStatement Resolve(IReadOnlyList<StatementResult> results)
    {
        if (References.Count == 0)
            return this;
        var values = Values.ToArray();
        foreach (var reference in References)
            values[reference.Parameter] = reference.Resolve(results);
        return this with { Values = values, References = [] };
    }

    /// <summary>The command for one run; the types are left to the server, as for a literal.</summary>
    public NpgsqlBatchCommand ToCommand()
    {
        var command = new NpgsqlBatchCommand(Sql.Text);
        foreach (var value in Values)
        {
            command.Parameters.Add(new NpgsqlParameter
            {
                NpgsqlDbType = NpgsqlDbType.Unknown,
                Value = (object?)value ?? DBNull.Value,
            });
        }
        return command;
    }

    /// <summary>
    /// PostgreSQL's messages quote input that it can't read, as in <c>invalid input syntax for type integer: "x"</c>.
    /// A parameter's value must not be shown, so such a quotation becomes the parameter's name, unless the statement's
    /// own text has it too (then it is an identifier or a literal).
    /// </summary>
    public string Redact(string message)
    {
        if (Values.Count == 0)
            return message;

        var redacted = RedactWhole(message);
        var opening = redacted.IndexOf('"');
        if (opening < 0)
            return redacted;

        var shown = new StringBuilder(redacted.Length);
        var copied = 0;
        while (opening >= 0)
        {
            var closing = redacted.IndexOf('"', opening + 1);
            if (closing < 0)
                break;
            var quoted = redacted.AsSpan(opening + 1, closing - opening - 1);
            if (ParameterHolding(quoted) is { } parameter)
            {
                shown.Append(redacted, copied, opening - copied).Append(parameter);
                copied = closing + 1;
            }
            opening = redacted.IndexOf('"', closing + 1);
        }
        return shown.Append(redacted, copied, redacted.Length - copied).ToString();
    }

    /// <summary>
    /// Values that a message holds whole, quotation marks or not. One or two characters are left: they say nothing,
    /// and replacing every "a" would spoil the message.
    /// </summary>
    private string RedactWhole(string message)
    {
        for (var i = 0; i < Values.Count; i++)
        {
            if (Values[i] is { Length: > 2 } value && !Sql.Text.Contains(value, StringComparison.Ordinal))
            {
                message = message
                    .Replace($"\"{value}\"", NameOf(i), StringComparison.Ordinal)
                    .Replace(value, NameOf(i), StringComparison.Ordinal);
            }
        }
        return message;
    }

    private string? ParameterHolding(ReadOnlySpan<char> quoted)
    {
        if (quoted.IsEmpty || Sql.Text.AsSpan().Contains(quoted, StringComparison.Ordinal))
            return null;
        for (var i = 0; i < Values.Count; i++)
        {
            if (Values[i] is { } value && value.AsSpan().Contains(quoted, StringComparison.Ordinal))
                return NameOf(i);
        }
        return null;
    }

    private string NameOf(int index) => Sql.Names.Count > 0 ? $":{Sql.Names[index]}" : $"${index + 1}";
}
