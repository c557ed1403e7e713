using System.Runtime.InteropServices;
using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Sql;
using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>
/// The results that parameters of a transaction refer to. Each result is parsed once. A reference costs only its own
/// steps, whatever the number of references and the size of the results.
/// </summary>
/// <param name="results">The results so far; later results are added to it.</param>
/// <param name="memory">Counts the parsed results until this is disposed, and the values that were found.</param>
internal sealed class ReferredResults(IReadOnlyList<StatementResult> results, MemoryReservation memory) : IDisposable
{
    /// <summary>
    /// The values may be as large together as the results are, and at least this large, in bytes. There is a limit
    /// because each reference sends its value again.
    /// </summary>
    private const long MinLimit = 16 * 1024 * 1024;

    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = int.MaxValue };

    private readonly Dictionary<int, ReferredResult> _parsed = [];
    private readonly Counted _counted = new(memory);

    // The total size of the values that were found, as JSON.
    private long _bytes;

    /// <summary>Follows a pointer.</summary>
    /// <param name="statement">The index of the statement.</param>
    /// <param name="tokens">The steps from the rows; none for the rows themselves.</param>
    /// <returns>The value, valid until this is disposed; null if there is none.</returns>
    /// <exception cref="Failure"><c>result_too_large</c></exception>
    public JsonElement? Find(int statement, ReadOnlySpan<string> tokens)
    {
        var part = Parse(statement);
        foreach (var token in tokens)
        {
            if (part.Step(token) is not { } next)
                return null;
            part = next;
        }
        var length = JsonMarshal.GetRawUtf8Value(part.Value).Length;
        _bytes += length;
        var limit = Math.Max(MinLimit, results.Sum(result => (long)result.Written.Length));
        if (_bytes > limit)
        {
            throw new Failure(
                ProblemCode.ResultTooLarge,
                $"The values that parameters refer to by $ref are larger than {limit} bytes together; refer to each "
                + "once, or pass it on in SQL.");
        }
        memory.Take(JsonText.MemoryPerByte * (long)length);
        return part.Value;
    }

    /// <summary>Replaces a statement's references by the values that they refer to.</summary>
    /// <exception cref="Failure">
    /// <c>expectation_failed</c>: the results have no such value, or one that no parameter can have.
    /// <c>result_too_large</c>: the values are too large together.
    /// </exception>
    public BoundStatement Resolve(BoundStatement statement)
    {
        var values = statement.Values.ToArray();
        foreach (var reference in statement.References)
            values[reference.Parameter] = Resolve(reference);
        return statement with { Values = values, References = [] };
    }

    public void Dispose()
    {
        foreach (var result in _parsed.Values)
        {
            result.Document.Dispose();
            result.Tables.DropLast();
        }
        _counted.Dispose();
    }

    private ReferredPart Parse(int statement)
    {
        if (_parsed.TryGetValue(statement, out var known))
            return known.Rows;
        var json = results[statement].Written;
        if (!JsonNesting.IsCheap(json.Span, int.MaxValue))
        {
            throw new Failure(
                ProblemCode.ResultTooLarge,
                $"The rows of statement {statement}, which a parameter refers to by $ref, are nested too deeply for "
                + "their size; pass them on in SQL.");
        }
        var tables = JsonTables.Of(json.Span);
        _counted.Take(tables.Most);
        var document = JsonDocument.Parse(json, AnyDepth);
        tables.DropFirst();
        var result = new ReferredResult(document, tables, new ReferredPart(document.RootElement, _counted));
        _parsed.Add(statement, result);
        return result.Rows;
    }

    private ParameterValue Resolve(ResultReference reference)
    {
        var tokens = ResultReference.Tokens(reference.Pointer);
        if (tokens is [_, _, "rowCount"])
            return new ParameterValue(results[reference.Statement].RowCount?.ToString());
        if (Find(reference.Statement, tokens.AsSpan(3)) is not { } value)
        {
            throw Failed(
                $"The result of statement {reference.Statement} has nothing at \"{reference.Pointer}\", which a "
                + "parameter refers to");
        }

        // A value of type json or jsonb is passed on as it is; a JSON string keeps its quotes. But null becomes NULL:
        // the two look the same in a result, and a column's NULL is far more frequent.
        var isJson = results[reference.Statement].IsJson([.. tokens.Skip(4)], out var isWithin);
        if (value.ValueKind != JsonValueKind.Null && isJson)
            return new ParameterValue(value.GetRawText());
        var read = ParameterValue.Read(value, out var fault);
        return fault.Length == 0
            ? read with { IsOfJson = isWithin }
            : throw Failed(
                $"What \"{reference.Pointer}\" refers to in the result of statement {reference.Statement} can't be a "
                + "parameter. " + fault.TrimEnd('.'));
    }

    private static Failure Failed(string why) => new(ProblemCode.ExpectationFailed, $"{why}; all was rolled back.");

    private sealed record ReferredResult(JsonDocument Document, JsonTables Tables, ReferredPart Rows);
}

/// <summary>Counts memory that is given back all at once.</summary>
internal sealed class Counted(MemoryReservation memory) : IDisposable
{
    private long _taken;

    /// <exception cref="Failure"><c>saturated</c> or <c>result_too_large</c></exception>
    public void Take(long bytes)
    {
        memory.Take(bytes);
        _taken += bytes;
    }

    public void Dispose() => memory.GiveBack(_taken);
}

/// <summary>A value in a result, and those of its parts that a reference has asked for.</summary>
/// <param name="value">The value.</param>
/// <param name="memory">Counts the index that finds its parts.</param>
internal sealed class ReferredPart(JsonElement value, Counted memory)
{
    /// <summary>Memory of an element in the index.</summary>
    private const int BytesOfElement = 16;

    /// <summary>Memory of a member in the index, without its name.</summary>
    private const int BytesOfMember = 96;

    /// <summary>
    /// Number of steps that search the value. With more, an index of all its parts is cheaper: a search passes
    /// everything before the part that it finds.
    /// </summary>
    private const int FewSteps = 8;

    private Dictionary<string, ReferredPart>? _asked;
    private JsonElement[]? _elements;
    private Dictionary<string, JsonElement>? _members;
    private int _steps;

    public JsonElement Value => value;

    /// <summary>Returns the member with that name, or the element with that index; null if there is none.</summary>
    public ReferredPart? Step(string token)
    {
        if (_asked?.TryGetValue(token, out var known) is true)
            return known;
        _steps++;
        var next = value.ValueKind switch
        {
            JsonValueKind.Object => Member(token),
            JsonValueKind.Array when ResultReference.IsIndex(token, out var index) => Element(index),
            _ => null,
        };
        if (next is not { } found)
            return null;
        return (_asked ??= [])[token] = new ReferredPart(found, memory);
    }

    private JsonElement? Element(int index)
    {
        if (index >= value.GetArrayLength())
            return null;
        if (_steps > FewSteps && _elements is null)
        {
            memory.Take((long)BytesOfElement * value.GetArrayLength());
            _elements = [.. value.EnumerateArray()];
        }
        return _elements?[index] ?? value[index];
    }

    private JsonElement? Member(string name)
    {
        if (_steps <= FewSteps)
            return JsonText.TryGetMember(value, name, out var member) ? member : null;
        return (_members ??= Members()).TryGetValue(name, out var kept) ? kept : null;
    }

    /// <summary>Returns all members; the last one of a name, if there are several.</summary>
    private Dictionary<string, JsonElement> Members()
    {
        var names = JsonMarshal.GetRawUtf8Value(value).Length;
        memory.Take((2L * names) + ((long)BytesOfMember * value.GetPropertyCount()));
        var members = new Dictionary<string, JsonElement>(value.GetPropertyCount(), StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            if (JsonText.TryReadName(member, out var name))
                members[name] = member.Value;
        }
        return members;
    }
}
