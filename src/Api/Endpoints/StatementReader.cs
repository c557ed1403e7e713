using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Journal;
using Gateway.Api.Sql;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>Reads one statement: that of a query or an execute, or one in a transaction's list.</summary>
/// <param name="fields">Reads the values.</param>
internal sealed class StatementReader(FieldReader fields)
{
    private static readonly FieldChoice<RowFormat> RowFormatField =
        new(("object", RowFormat.Object), ("array", RowFormat.Array));

    private static readonly FieldHash IncludedUnlessEmpty = FieldHash.IncludedUnless(value => value.ValueKind switch
    {
        JsonValueKind.Object => value.GetPropertyCount() == 0,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => false,
    });

    /// <summary>All fields of a statement. A write may expect a number of rows; a query may limit them.</summary>
    public static readonly IReadOnlyList<RequestField<StatementReader>> Fields =
    [
        new("sql", FieldHash.Included, static (reader, value, pointer) => reader.ReadSql(value, pointer)),
        new("parameters", IncludedUnlessEmpty, static (reader, value, _) => reader._parameters = value),
        new("parameterTypes", IncludedUnlessEmpty, static (reader, value, _) => reader._parameterTypes = value),
        new("rowFormat", RowFormatField.Hash, static (reader, value, pointer) =>
            reader._rowFormat = RowFormatField.Read(reader._fields, value, pointer)),
        new("maxRows", FieldHash.Included, static (reader, value, pointer) =>
            reader._maxRows = reader._fields.ReadInteger(value, pointer, 1, int.MaxValue))
        { Operations = [Operation.Query] },
        new("expect", FieldHash.Included, static (reader, value, pointer) => reader.ReadExpectation(value, pointer))
        { Operations = [Operation.Execute, Operation.Transaction] },
    ];

    private static readonly RequestFields<StatementReader>[] FieldsByOperation =
        [.. Enum.GetValues<Operation>().Select(operation => new RequestFields<StatementReader>(operation, Fields))];

    private readonly FieldReader _fields = fields;
    private string? _sql;
    private bool _hasSql;
    private JsonElement? _parameters;
    private RowFormat _rowFormat = RowFormatField.Default;
    private JsonElement? _parameterTypes;
    private long? _expectedRowCount;
    private int? _maxRows;

    /// <summary>Returns the fields that a statement of an operation takes.</summary>
    public static RequestFields<StatementReader> FieldsOf(Operation operation) => FieldsByOperation[(int)operation];

    /// <summary>Returns the statement after all its fields were read; null if it has a fault.</summary>
    /// <param name="pointer">The statement's pointer in the request.</param>
    /// <param name="index">The statement's index in a transaction; null for that of a query or an execute.</param>
    /// <param name="faults">Receives the faults of the parameters.</param>
    public StatementCall? Finish(string pointer, int? index, RequestFaults faults)
    {
        if (_sql is not { } sql)
        {
            if (!_hasSql)
                _fields.Fault($"{pointer}/sql", "sql is required.");
            return null;
        }
        var statement = ParameterBinder.Bind(sql, _parameters, _parameterTypes, index, pointer, faults);
        if (statement.Sql.Kind == StatementKind.Empty)
            _fields.Fault($"{pointer}/sql", "sql holds no statement.");
        return new StatementCall(statement, _rowFormat, _expectedRowCount, _maxRows);
    }

    private void ReadSql(JsonElement value, JsonPointer pointer)
    {
        _hasSql = true;
        _sql = _fields.ReadString(value, pointer);
    }

    private void ReadExpectation(JsonElement value, JsonPointer pointer)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            _fields.Fault(pointer, "expect must be an object such as {\"rowCount\": 1}.");
            return;
        }

        var hasCount = false;
        foreach (var (name, at, count) in _fields.Fields(value, pointer.ToString()))
        {
            if (name != "rowCount")
            {
                _fields.Fault(at, "expect takes rowCount.");
                continue;
            }
            hasCount = true;
            if (count.ValueKind == JsonValueKind.Number && count.TryGetInt64(out var rows) && rows >= 0)
                _expectedRowCount = rows;
            else
                _fields.Fault(at, "rowCount must be an integer from 0.");
        }
        if (!hasCount)
            _fields.Fault($"{pointer}/rowCount", "rowCount is required.");
    }
}
