using System.Runtime.InteropServices;
using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>
/// The results that the parameters of one statement refer to. Each is parsed once, and each reference costs no more
/// than its own steps, however many there are and however large the results.
/// </summary>
/// <param name="results">The results so far.</param>
/// <param name="bytes">What was referred to before.</param>
internal sealed class ReferredResults(IReadOnlyList<StatementResult> results, long bytes) : IDisposable
{
    /// <summary>
    /// A value may be referred to many times, and is sent as often: what that comes to, where the results are smaller.
    /// </summary>
    private const long LeastRoom = 16 * 1024 * 1024;

    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = int.MaxValue };

    private readonly Dictionary<int, (JsonDocument Document, ReferredPart Rows)> _parsed = [];

    /// <summary>The size of all values that were found, as JSON.</summary>
    public long Bytes { get; private set; } = bytes;

    public StatementResult this[int statement] => results[statement];

    /// <summary>Follows a pointer.</summary>
    /// <param name="statement">Whose result.</param>
    /// <param name="tokens">The way from the rows on; none for the rows themselves.</param>
    /// <returns>Null where nothing is there. It is valid until this is disposed of.</returns>
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
        Bytes += JsonMarshal.GetRawUtf8Value(part.Value).Length;
        var room = Math.Max(LeastRoom, results.Sum(result => (long)result.Written.Length));
        return Bytes <= room ? part.Value : throw new Failure(
            ProblemCode.ResultTooLarge,
            $"The values that parameters refer to by $ref are larger than {room} bytes together; refer to each once, or pass "
            + "it on in SQL.");
    }

    public void Dispose()
    {
        foreach (var (document, _) in _parsed.Values)
            document.Dispose();
    }

    private ReferredPart Parse(int statement)
    {
        if (_parsed.TryGetValue(statement, out var known))
            return known.Rows;
        var document = JsonDocument.Parse(results[statement].Written, AnyDepth);
        var rows = new ReferredPart(document.RootElement);
        _parsed.Add(statement, (document, rows));
        return rows;
    }
}

/// <summary>A value in a result, and the parts of it that were asked for.</summary>
internal sealed class ReferredPart(JsonElement value)
{
    /// <summary>
    /// A step goes past all that comes before what it finds: from so many on, it is cheaper to keep them all.
    /// </summary>
    private const int FewSteps = 8;

    private Dictionary<string, ReferredPart>? _asked;
    private JsonElement[]? _elements;
    private Dictionary<string, JsonElement>? _members;
    private int _steps;

    public JsonElement Value => value;

    /// <summary>The member of that name, or the element of that index; null where there is none.</summary>
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
        return (_asked ??= [])[token] = new ReferredPart(found);
    }

    private JsonElement? Element(int index)
    {
        if (index >= value.GetArrayLength())
            return null;
        if (_steps > FewSteps)
            _elements ??= [.. value.EnumerateArray()];
        return _elements?[index] ?? value[index];
    }

    private JsonElement? Member(string name)
    {
        if (_steps <= FewSteps)
            return JsonText.TryGetMember(value, name, out var member) ? member : null;
        return (_members ??= Members()).TryGetValue(name, out var kept) ? kept : null;
    }

    /// <summary>Of several with one name, the last.</summary>
    private Dictionary<string, JsonElement> Members()
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            if (JsonText.TryReadName(member, out var name))
                members[name] = member.Value;
        }
        return members;
    }
}
