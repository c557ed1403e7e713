using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>
/// A parameter that is a value of an earlier statement's result: <c>{"$ref": "/0/rows/0/id"}</c>, a JSON Pointer (RFC 6901)
/// into the list of results.
/// </summary>
/// <param name="Parameter">The parameter's index.</param>
/// <param name="Statement">The index of the statement that it refers to.</param>
/// <param name="Pointer">The pointer as it was sent.</param>
internal sealed record ResultReference(int Parameter, int Statement, string Pointer)
{
    private const string Keyword = "$ref";

    /// <summary>Whether the parameter is a reference, right or wrong: an object whose only member is <c>$ref</c>.</summary>
    public static bool Is(JsonElement parameter) => parameter.ValueKind == JsonValueKind.Object
        && parameter.EnumerateObject().Count() == 1
        && JsonText.TryReadName(parameter.EnumerateObject().First(), out var name) && name == Keyword;

    /// <summary>Reads a reference.</summary>
    /// <param name="parameter">What <see cref="Is"/> a reference.</param>
    /// <param name="index">The parameter's index.</param>
    /// <param name="statement">The index of its own statement: it can refer to those before.</param>
    /// <param name="fault">What is wrong with it, where null is returned.</param>
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

    /// <summary>The value as a parameter's.</summary>
    /// <exception cref="Failure">
    /// <c>expectation_failed</c>: the results have no such value, or one that no parameter can have.
    /// <c>result_too_large</c>: the values are too large together.
    /// </exception>
    public ParameterValue Resolve(ReferredResults results)
    {
        var tokens = Tokens(Pointer);
        if (tokens is [_, _, "rowCount"])
            return new ParameterValue(results[Statement].RowCount?.ToString());
        if (results.Find(Statement, tokens.AsSpan(3)) is not { } value)
        {
            throw Failed(
                $"The result of statement {Statement} has nothing at \"{Pointer}\", which a parameter refers to");
        }

        // What is json or jsonb to PostgreSQL is passed on as it is, a string of JSON with its quotes. But null is
        // NULL: the two look the same in a result, and a column's NULL is far the more frequent.
        var isJson = results[Statement].IsJson([.. tokens.Skip(4)], out var isWithin);
        if (value.ValueKind != JsonValueKind.Null && isJson)
            return new ParameterValue(value.GetRawText());
        var read = ParameterValue.Read(value, out var fault);
        return fault.Length == 0
            ? read with { IsOfJson = isWithin }
            : throw Failed(
                $"What \"{Pointer}\" refers to in the result of statement {Statement} can't be a parameter. "
                + fault.TrimEnd('.'));
    }

    private static Failure Failed(string why) => new(ProblemCode.ExpectationFailed, $"{why}; all was rolled back.");

    private static string[] Tokens(string pointer) =>
        Array.ConvertAll(pointer.Split('/'), token => token.Replace("~1", "/").Replace("~0", "~"));

    public static bool IsIndex(string token, out int index) =>
        int.TryParse(token, System.Globalization.NumberStyles.None, null, out index) && (token.Length == 1 || token[0] != '0');
}
