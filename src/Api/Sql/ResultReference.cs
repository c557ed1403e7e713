using System.Text.Json;
using Gateway.Api.Json;

namespace Gateway.Api.Sql;

/// <summary>
/// Represents a parameter that is a value of an earlier statement's result: <c>{"$ref": "/0/rows/0/id"}</c>, with a
/// JSON Pointer (RFC 6901) into the list of results.
/// </summary>
/// <param name="Parameter">The parameter's index.</param>
/// <param name="Statement">The index of the statement that it refers to.</param>
/// <param name="Pointer">The pointer as it was sent.</param>
internal sealed record ResultReference(int Parameter, int Statement, string Pointer)
{
    private const string Keyword = "$ref";

    /// <summary>
    /// Returns whether the parameter is a reference, valid or not: an object whose only member is <c>$ref</c>.
    /// </summary>
    public static bool Is(JsonElement parameter) => parameter.ValueKind == JsonValueKind.Object
        && parameter.EnumerateObject().Count() == 1
        && JsonText.TryReadName(parameter.EnumerateObject().First(), out var name) && name == Keyword;

    /// <summary>Reads a reference.</summary>
    /// <param name="parameter">A parameter for which <see cref="Is"/> returns true.</param>
    /// <param name="index">The parameter's index.</param>
    /// <param name="statement">The index of its own statement; it can only refer to earlier ones.</param>
    /// <param name="fault">Receives the fault if null is returned; otherwise empty.</param>
    public static ResultReference? Read(JsonElement parameter, int index, int statement, out string fault)
    {
        fault = "$ref is a JSON Pointer into the results of the statements before, such as \"/0/rows/0/id\".";
        var value = parameter.GetProperty(Keyword);
        if (value.ValueKind != JsonValueKind.String || !JsonText.TryRead(value, out var pointer, out _))
            return null;
        var tokens = Tokens(pointer);
        if (tokens is not (["", _, "rowCount"] or ["", _, "rows", ..]) || !IsIndex(tokens[1], out var target)
            || (tokens.Length > 3 && !IsIndex(tokens[3], out _)))
            return null;
        if (target >= statement)
        {
            fault = $"$ref points to the result of statement {target}, which is not before this one, {statement}.";
            return null;
        }
        fault = "";
        return new ResultReference(index, target, pointer);
    }

    /// <summary>Splits a JSON Pointer into its unescaped tokens. The first token is empty.</summary>
    public static string[] Tokens(string pointer) =>
        Array.ConvertAll(pointer.Split('/'), token => token.Replace("~1", "/").Replace("~0", "~"));

    public static bool IsIndex(string token, out int index) =>
        int.TryParse(token, System.Globalization.NumberStyles.None, null, out index)
        && (token.Length == 1 || token[0] != '0');
}
