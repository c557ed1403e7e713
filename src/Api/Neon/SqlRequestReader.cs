using System.Text.Json;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Json;
using Gateway.Api.Sql;
using Gateway.Contracts;

namespace Gateway.Api.Neon;

/// <summary>Represents the statements of a body.</summary>
/// <param name="Statements">One for a query, any number for a batch.</param>
/// <param name="IsBatch">Whether the answer is a list of results.</param>
internal sealed record SqlRequest(IReadOnlyList<StatementCall> Statements, bool IsBatch);

/// <summary>
/// Reads the statements of a body, <c>{"query", "params", "arrayMode"}</c> or <c>{"queries": […]}</c>, or reports all
/// its faults together. Other members are ignored, because the protocol is Neon's.
/// </summary>
internal sealed class SqlRequestReader
{
    /// <summary>
    /// The maximum number of queries in a batch. A body has room for some hundred thousand, and each needs memory.
    /// </summary>
    private const int MostQueries = 1000;

    private readonly RequestFaults _faults = new();
    private readonly FieldReader _fields;
    private readonly ParameterEncoder _encoder;
    private readonly bool _arrayMode;

    private SqlRequestReader(bool arrayMode)
    {
        _fields = new FieldReader(_faults);
        _encoder = new ParameterEncoder(_faults);
        _arrayMode = arrayMode;
    }

    /// <param name="body">The body's object.</param>
    /// <param name="arrayMode">Whether rows are arrays, unless a query says otherwise.</param>
    /// <exception cref="Errors.Failure"><c>invalid_request</c> with every fault.</exception>
    public static SqlRequest Read(JsonElement body, bool arrayMode)
    {
        var reader = new SqlRequestReader(arrayMode);
        var request = reader.Read(body);
        return reader._faults.Count == 0 ? request : throw Errors.Failure.Invalid(reader._faults);
    }

    private SqlRequest Read(JsonElement body)
    {
        if (JsonText.TryGetMember(body, "query", out _))
            return new SqlRequest([ReadQuery(body, "")!], IsBatch: false);
        if (!JsonText.TryGetMember(body, "queries", out var queries) || queries.ValueKind != JsonValueKind.Array)
        {
            _fields.Fault(
                "",
                "The body must be {\"query\": \"SELECT 1\", \"params\": []}, "
                + "or {\"queries\": […]} for a batch of such.");
            return new SqlRequest([], IsBatch: false);
        }
        if (queries.GetArrayLength() > MostQueries)
        {
            _fields.Fault("/queries", $"A batch has at most {MostQueries} queries.");
            return new SqlRequest([], IsBatch: true);
        }
        return new SqlRequest(
            [.. queries.EnumerateArray().Select((query, index) => ReadQuery(query, $"/queries/{index}")!)],
            IsBatch: true);
    }

    /// <summary>Reads a query. Returns null if it has a fault.</summary>
    private StatementCall? ReadQuery(JsonElement query, string pointer)
    {
        if (query.ValueKind != JsonValueKind.Object || !JsonText.TryGetMember(query, "query", out var text))
        {
            _fields.Fault(
                pointer, "A query must be an object such as {\"query\": \"SELECT $1\", \"params\": [\"x\"]}.");
            return null;
        }
        var before = _faults.Count;
        var arrayMode = _arrayMode;
        if (JsonText.TryGetMember(query, "arrayMode", out var mode) && mode.ValueKind != JsonValueKind.Null)
            arrayMode = _fields.ReadBoolean(mode, new JsonPointer(pointer, "arrayMode"));
        JsonElement? parameters = null;
        if (JsonText.TryGetMember(query, "params", out var given) && given.ValueKind != JsonValueKind.Null)
        {
            if (given.ValueKind == JsonValueKind.Array)
                parameters = given;
            else
                _fields.Fault($"{pointer}/params", "params must be an array.");
        }
        if (_fields.ReadString(text, new JsonPointer(pointer, "query")) is not { } sql || _faults.Count > before)
            return null;
        // The protocol allows an empty statement, but Npgsql sends no statement without text.
        if (sql.Length == 0)
            sql = ";";

        var statement =
            ParameterBinder.Bind(sql, parameters, types: null, index: null, pointer, _faults, field: "params");
        return new StatementCall(
            statement.EncodeUntyped(_encoder), arrayMode ? RowFormat.Array : RowFormat.Object,
            ExpectedRowCount: null, MaxRows: null);
    }
}
