using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Contracts;

namespace Gateway.Api.Sql;

/// <summary>
/// Binds a request's parameters to the placeholders of its statement. Each fault is added to the list with its JSON
/// Pointer, so a caller learns all of them at once. While there is a fault, nothing may be sent: with a wrong number of
/// parameters Npgsql breaks the connection.
/// </summary>
internal static class ParameterBinder
{
    private static readonly string TooMany = $"A statement takes at most {SqlText.MaxPlaceholders} parameters.";

    /// <summary>Scans the statement, with placeholders in the style of its parameters, and binds them.</summary>
    /// <param name="sql">The statement.</param>
    /// <param name="parameters">The request's parameters.</param>
    /// <param name="types">The field <c>parameterTypes</c>.</param>
    /// <param name="index">
    /// The statement's index in a transaction, where parameters may refer to results of earlier statements; otherwise
    /// null.
    /// </param>
    /// <param name="statement">The JSON Pointer of the statement.</param>
    /// <param name="faults">Receives the faults.</param>
    /// <param name="field">The name of the parameters' field in the request.</param>
    public static BoundStatement Bind(
        string sql, JsonElement? parameters, JsonElement? types, int? index, string statement, RequestFaults faults,
        string field = "parameters")
    {
        var pointer = $"{statement}/{field}";
        var named = parameters is { ValueKind: JsonValueKind.Object };
        var text = SqlText.Scan(sql, named ? PlaceholderStyle.Named : PlaceholderStyle.Positional);
        var references = new List<ResultReference>();
        var reading = new Reading(index, references, faults);
        var values = parameters switch
        {
            { ValueKind: JsonValueKind.Object } fields => BindNamed(text, fields, pointer, reading),
            { ValueKind: JsonValueKind.Array } elements => BindPositional(text, elements, pointer, reading),
            null or { ValueKind: JsonValueKind.Null } => BindNothing(text, pointer, faults),
            _ => Fault(faults, pointer, "parameters must be an array for $1…$n or an object for :name."),
        };
        return new BoundStatement(text, values, references)
        {
            DeclaredTypes = DeclaredTypes.Read(types, text, $"{statement}/parameterTypes", faults),
            Pointer = pointer,
        };
    }

    private static ParameterValue[] BindNothing(SqlText text, string pointer, RequestFaults faults) =>
        text.PlaceholderCount == 0
            ? []
            : Fault(faults, pointer, CountFault(text, 0));

    private static ParameterValue[] BindPositional(
        SqlText text, JsonElement elements, string pointer, Reading reading)
    {
        var faults = reading.Faults;
        var count = elements.GetArrayLength();
        if (count > SqlText.MaxPlaceholders)
            return Fault(faults, pointer, TooMany);
        if (count != text.PlaceholderCount)
            return Fault(faults, pointer, CountFault(text, count));
        foreach (var unused in text.UnusedPositions)
        {
            faults.Add(
                new JsonPointer(pointer, (unused - 1).ToString()), $"The statement has no placeholder ${unused}.");
        }

        var values = new ParameterValue[count];
        var index = 0;
        foreach (var element in elements.EnumerateArray())
        {
            values[index] = reading.Read(element, index, new JsonPointer(pointer, index.ToString()));
            index++;
        }
        return values;
    }

    private static ParameterValue[] BindNamed(SqlText text, JsonElement fields, string pointer, Reading reading)
    {
        var faults = reading.Faults;
        if (text.MixesStyles)
            return Fault(faults, pointer, "The statement has both $n and :name placeholders; use one style.");
        if (text.Names.Count > SqlText.MaxPlaceholders)
            return Fault(faults, pointer, TooMany);

        var values = new ParameterValue[text.Names.Count];
        var positions = new Dictionary<string, int>(text.Names.Count, StringComparer.Ordinal);
        for (var i = 0; i < text.Names.Count; i++)
            positions[text.Names[i]] = i;

        var bound = new bool[values.Length];
        foreach (var field in fields.EnumerateObject())
        {
            if (!JsonText.TryReadName(field, out var name))
            {
                faults.Add(new RequestFault(pointer, JsonText.LoneSurrogate));
                continue;
            }
            var at = new JsonPointer(pointer, name);
            if (!positions.TryGetValue(name, out var position))
                faults.Add(at, "The statement has no placeholder of that name.");
            else if (bound[position])
                faults.Add(at, "The parameter is given twice.");
            else
            {
                values[position] = reading.Read(field.Value, position, at);
                bound[position] = true;
            }
        }

        for (var i = 0; i < values.Length; i++)
        {
            if (!bound[i])
            {
                faults.Add(new RequestFault(
                    pointer, $"The parameter for the placeholder :{text.Names[i]} is missing."));
            }
        }
        return values;
    }

    private static string CountFault(SqlText text, int parameters)
    {
        var fault = $"The statement has {Count(text.PlaceholderCount, "placeholder")}, "
            + $"and the request has {Count(parameters, "parameter")}.";
        return text.PlaceholderCount < parameters && FindForeignPlaceholder(text.Text) is { } foreign
            ? $"{fault} \"{foreign}\" is not a placeholder here; write $1 or :name."
            : fault;
    }

    /// <summary>
    /// Returns the first placeholder in another driver's style: <c>%s</c>, <c>%(</c> or <c>?</c>. Returns null if there
    /// is none.
    /// </summary>
    private static string? FindForeignPlaceholder(string sql)
    {
        var lexer = new SqlLexer(sql, PlaceholderStyle.Positional);
        for (var percentEnd = -1; lexer.Next();)
        {
            if (lexer.IsSymbol('?'))
                return "?";
            if (lexer.Start == percentEnd && lexer.IsWord("S"))
                return "%s";
            if (lexer.Start == percentEnd && lexer.IsSymbol('('))
                return "%(name)s";
            percentEnd = lexer.IsSymbol('%') ? lexer.End : -1;
        }
        return null;
    }

    private static string Count(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    private static ParameterValue[] Fault(RequestFaults faults, string pointer, string detail)
    {
        faults.Add(new RequestFault(pointer, detail));
        return [];
    }

    /// <summary>Represents the state while a statement's parameters are read.</summary>
    private readonly record struct Reading(int? Statement, List<ResultReference> References, RequestFaults Faults)
    {
        /// <summary>Returns a parameter's value. A reference is recorded, and has no value yet.</summary>
        public ParameterValue Read(JsonElement value, int parameter, JsonPointer pointer)
        {
            string fault;
            if (Statement is { } statement && ResultReference.Is(value))
            {
                if (ResultReference.Read(value, parameter, statement, out fault) is { } reference)
                {
                    References.Add(reference);
                    return default;
                }
            }
            else
            {
                var read = ParameterValue.Read(value, out fault);
                if (fault.Length == 0)
                    return read;
            }
            Faults.Add(pointer, fault);
            return default;
        }
    }
}
