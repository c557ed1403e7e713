using System.Text;
using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Rows;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>A statement with its parameters, in the order of <c>$1…$n</c>.</summary>
/// <param name="Sql">The scanned statement.</param>
/// <param name="Values">A parameter's value; none for what a reference stands for.</param>
/// <param name="References">The parameters that are values of earlier statements' results.</param>
internal sealed record BoundStatement(SqlText Sql, IReadOnlyList<ParameterValue> Values, IReadOnlyList<ResultReference> References)
{
    /// <summary>The types that the request declares, a name or null for each parameter; empty where it declares none.</summary>
    public IReadOnlyList<string?> DeclaredTypes { get; init; } = [];

    /// <summary>Where the parameters are in the request.</summary>
    public string Pointer { get; init; } = "";

    /// <summary>The types' OIDs that are sent; 0 or none where the server infers.</summary>
    private IReadOnlyList<uint> TypeOids { get; init; } = [];

    /// <summary>The last of the earlier statements that its parameters refer to; -1 where they refer to none.</summary>
    public int LatestReferred => References.Count == 0 ? -1 : References.Max(reference => reference.Statement);

    /// <summary>Whether types are sent with it.</summary>
    public bool HasTypes => TypeOids.Any(oid => oid != 0);

    /// <summary>Whether it can't be sent before the types of its parameters are known.</summary>
    public bool NeedsTypes => DeclaredTypes.Any(declared => declared is not null) || Values.Any(value => value.Json is not null);

    /// <summary>With the references replaced by what they refer to.</summary>
    /// <exception cref="Failure"><c>expectation_failed</c>: the results have no such value.</exception>
    public BoundStatement Resolve(IReadOnlyList<StatementResult> results)
    {
        if (References.Count == 0)
            return this;
        var values = Values.ToArray();
        foreach (var reference in References)
            values[reference.Parameter] = reference.Resolve(results);
        return this with { Values = values, References = [] };
    }

    /// <summary>With each value as the text of its type.</summary>
    /// <exception cref="Failure"><c>invalid_request</c>: a value has no such text.</exception>
    public BoundStatement Encode(IReadOnlyList<DataType> types)
    {
        var faults = new List<RequestFault>();
        var encoder = new ParameterEncoder(faults);
        var values = Values.ToArray();
        var oids = new uint[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var isJson = values[i].Json is not null;
            // A type that changed meanwhile is an error then, and never a value taken for what it is not.
            if (isJson || DeclaredTypes.ElementAtOrDefault(i) is not null)
                oids[i] = types[i].Oid;
            if (values[i].Json is not { } json)
                continue;
            values[i] = values[i].IsOfJson && types[i].TakesAnyText
                ? new ParameterValue(json.GetRawText())
                : new ParameterValue(encoder.Encode(json, types[i], PointerOf(i), NameOf(i)));
        }
        return faults.Count > 0 ? throw Failure.Invalid(faults) : this with { Values = values, TypeOids = oids };
    }

    /// <summary>With each value as text that does not depend on its type: an array as an array's, an object as JSON.</summary>
    public BoundStatement EncodeUntyped(ParameterEncoder encoder) => this with
    {
        Values = [.. Values.Select((value, index) => value.Json is { } json
            ? new ParameterValue(encoder.Encode(json, ParameterEncoder.Untyped, PointerOf(index), NameOf(index)))
            : value)],
    };

    /// <summary>The command for one run; a type that is not sent is left to the server, as for a literal.</summary>
    public NpgsqlBatchCommand ToCommand()
    {
        var command = new NpgsqlBatchCommand(Sql.Text);
        for (var i = 0; i < Values.Count; i++)
        {
            var text = new ParameterText(Values[i].Text, TypeOids.ElementAtOrDefault(i));
            command.Parameters.Add(new NpgsqlParameter<ParameterText> { TypedValue = text });
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
            if (Values[i].Text is { Length: > 2 } value && !Sql.Text.Contains(value, StringComparison.Ordinal))
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
            if (Values[i].Text is { } value && value.AsSpan().Contains(quoted, StringComparison.Ordinal))
                return NameOf(i);
        }
        return null;
    }

    private string PointerOf(int index) => Sql.Names.Count > 0
        ? $"{Pointer}/{JsonPointer.Escape(Sql.Names[index])}"
        : $"{Pointer}/{index}";

    private string NameOf(int index) => Sql.Names.Count > 0 ? $":{Sql.Names[index]}" : $"${index + 1}";
}
