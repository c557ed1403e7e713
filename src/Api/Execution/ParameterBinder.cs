using System.Text;
using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>
/// JSON parameters → PostgreSQL's text input. Every fault is added to the list with its JSON Pointer, so that a caller
/// hears of all at once; nothing is sent to a server while there is one, since Npgsql loses the connection over a
/// wrong number of parameters.
/// </summary>
internal static class ParameterBinder
{
    /// <summary>PostgreSQL's MAXDIM.</summary>
    private const int MostDimensions = 6;

    private static readonly string TooMany = $"A statement takes at most {SqlText.MaxPlaceholders} parameters.";

    /// <summary>Scans the statement in the style that its parameters have, and binds them.</summary>
    /// <param name="sql">The statement.</param>
    /// <param name="parameters">The request's parameters.</param>
    /// <param name="index">
    /// Its place in a transaction, where parameters may refer to results of the statements before; else null.
    /// </param>
    /// <param name="pointer">Where the parameters are in the request.</param>
    /// <param name="faults">Gets what is wrong with them.</param>
    public static BoundStatement Bind(
        string sql, JsonElement? parameters, int? index, string pointer, List<RequestFault> faults)
    {
        var named = parameters is { ValueKind: JsonValueKind.Object };
        var text = SqlText.Scan(sql, named ? PlaceholderStyle.Named : PlaceholderStyle.Positional);
        var references = new List<ResultReference>();
        var reading = new Reading(index, references, faults);
        var values = parameters switch
        {
            { ValueKind: JsonValueKind.Object } fields => BindNamed(text, fields, pointer, reading),
            { ValueKind: JsonValueKind.Array } elements => BindPositional(text, elements, pointer, reading),
            null or { ValueKind: JsonValueKind.Null } => BindNothing(text, pointer, faults),
            _ => Fault(faults, pointer, "parameters is an array for $1…$n or an object for :name."),
        };
        return new BoundStatement(text, values, references);
    }

    /// <summary>The value as PostgreSQL's text input; null for NULL.</summary>
    /// <param name="value">A value of PostgreSQL's own JSON, which has no faults.</param>
    public static string? ToText(JsonElement value) => ToText(value, "", []);

    private static string?[] BindNothing(SqlText text, string pointer, List<RequestFault> faults) =>
        text.PlaceholderCount == 0
            ? []
            : Fault(faults, pointer, CountFault(text.PlaceholderCount, 0));

    private static string?[] BindPositional(
        SqlText text, JsonElement elements, string pointer, Reading reading)
    {
        var faults = reading.Faults;
        var count = elements.GetArrayLength();
        if (count > SqlText.MaxPlaceholders)
            return Fault(faults, pointer, TooMany);
        if (count != text.PlaceholderCount)
            return Fault(faults, pointer, CountFault(text.PlaceholderCount, count));
        foreach (var unused in text.UnusedPositions)
            faults.Add(new RequestFault($"{pointer}/{unused - 1}", $"The statement has no placeholder ${unused}."));

        var values = new string?[count];
        var index = 0;
        foreach (var element in elements.EnumerateArray())
        {
            values[index] = reading.Read(element, index, $"{pointer}/{index}");
            index++;
        }
        return values;
    }

    private static string?[] BindNamed(SqlText text, JsonElement fields, string pointer, Reading reading)
    {
        var faults = reading.Faults;
        if (text.MixesStyles)
            return Fault(faults, pointer, "The statement has both $n and :name placeholders; use one style.");
        if (text.Names.Count > SqlText.MaxPlaceholders)
            return Fault(faults, pointer, TooMany);

        var values = new string?[text.Names.Count];
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
            var at = $"{pointer}/{JsonPointer.Escape(name)}";
            if (!positions.TryGetValue(name, out var position))
                faults.Add(new RequestFault(at, "The statement has no placeholder of that name."));
            else if (bound[position])
                faults.Add(new RequestFault(at, "The parameter is given twice."));
            else
            {
                values[position] = reading.Read(field.Value, position, at);
                bound[position] = true;
            }
        }

        for (var i = 0; i < values.Length; i++)
        {
            if (!bound[i])
                faults.Add(new RequestFault(pointer, $"The parameter for the placeholder :{text.Names[i]} is missing."));
        }
        return values;
    }

    private static string CountFault(int placeholders, int parameters) =>
        $"The statement has {Count(placeholders, "placeholder")} and the request {Count(parameters, "parameter")}.";

    private static string Count(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    private static string? ToText(JsonElement value, string pointer, List<RequestFault> faults)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.String:
                if (JsonText.TryRead(value, out var text, out var fault))
                    return text;
                faults.Add(new RequestFault(pointer, fault));
                return null;
            case JsonValueKind.Array:
                var literal = new StringBuilder();
                AppendArray(literal, value, 1, pointer, faults);
                return literal.ToString();
            default:
                // A number's digits as they were sent, never through a double; true and false; an object as JSON text.
                return value.GetRawText();
        }
    }

    private static void AppendArray(
        StringBuilder literal, JsonElement array, int dimension, string pointer, List<RequestFault> faults)
    {
        if (dimension > MostDimensions)
        {
            faults.Add(new RequestFault(pointer, $"A PostgreSQL array has at most {MostDimensions} dimensions."));
            return;
        }

        literal.Append('{');
        var index = 0;
        foreach (var element in array.EnumerateArray())
        {
            if (index > 0)
                literal.Append(',');
            AppendElement(literal, element, index, dimension, pointer, faults);
            index++;
        }
        literal.Append('}');
    }

    /// <summary>A pointer is made for a fault or a nested array only: an array may have many elements.</summary>
    private static void AppendElement(
        StringBuilder literal, JsonElement element, int index, int dimension, string pointer, List<RequestFault> faults)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Array:
                AppendArray(literal, element, dimension + 1, $"{pointer}/{index}", faults);
                break;
            case JsonValueKind.Null:
                literal.Append("NULL");
                break;
            case JsonValueKind.String:
                if (!JsonText.TryRead(element, out var text, out var fault))
                    faults.Add(new RequestFault($"{pointer}/{index}", fault));
                AppendQuoted(literal, text);
                break;
            case JsonValueKind.Object:
                AppendQuoted(literal, element.GetRawText());
                break;
            default:
                literal.Append(element.GetRawText());
                break;
        }
    }

    /// <summary>Always quoted: an empty string, the word NULL, commas and braces mean themselves only then.</summary>
    private static void AppendQuoted(StringBuilder literal, string text)
    {
        literal.Append('"');
        foreach (var character in text)
        {
            if (character is '"' or '\\')
                literal.Append('\\');
            literal.Append(character);
        }
        literal.Append('"');
    }

    private static string?[] Fault(List<RequestFault> faults, string pointer, string detail)
    {
        faults.Add(new RequestFault(pointer, detail));
        return [];
    }

    /// <summary>One statement's parameters while they are read.</summary>
    private readonly record struct Reading(int? Statement, List<ResultReference> References, List<RequestFault> Faults)
    {
        /// <summary>A parameter's text; a reference has none yet.</summary>
        public string? Read(JsonElement value, int parameter, string pointer)
        {
            if (Statement is not { } statement || !ResultReference.Is(value))
                return ToText(value, pointer, Faults);
            if (ResultReference.Read(value, parameter, statement, out var fault) is { } reference)
                References.Add(reference);
            else
                Faults.Add(new RequestFault(pointer, fault));
            return null;
        }
    }
}
