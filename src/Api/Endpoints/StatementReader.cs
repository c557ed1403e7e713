using System.Text.Json;
using Gateway.Api.Execution;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>The fields of one statement: of a query or an execute itself, or of one in a transaction's list.</summary>
/// <param name="fields">Reads the fields.</param>
/// <param name="operation">
/// Which endpoint it is for: of a statement that may write something can be expected, and of one that can't some rows may do.
/// </param>
internal sealed class StatementReader(FieldReader fields, Operation operation)
{
    private string? _sql;
    private bool _hasSql;
    private JsonElement? _parameters;
    private RowFormat _rowFormat;
    private JsonElement? _parameterTypes;
    private long? _expectedRowCount;
    private int? _maxRows;

    public string KnownFields => "sql, parameters, parameterTypes, rowFormat, " + (operation == Operation.Query ? "maxRows" : "expect");

    /// <summary>Reads a field; false where a statement has none of that name.</summary>
    public bool Read(string name, JsonElement value, JsonPointer pointer)
    {
        switch (name)
        {
            case "sql":
                _hasSql = true;
                _sql = fields.ReadString(value, pointer);
                return true;
            case "parameters":
                _parameters = value;
                return true;
            case "rowFormat":
                _rowFormat = fields.ReadChoice(value, pointer, ("object", RowFormat.Object), ("array", RowFormat.Array));
                return true;
            case "parameterTypes":
                _parameterTypes = value;
                return true;
            case "maxRows" when operation == Operation.Query:
                _maxRows = fields.ReadInteger(value, pointer, 1, int.MaxValue);
                return true;
            case "expect" when operation != Operation.Query:
                ReadExpectation(value, pointer);
                return true;
            default:
                return false;
        }
    }

    /// <summary>The statement, once all fields are read; null where there are faults.</summary>
    /// <param name="pointer">Where the statement is in the request.</param>
    /// <param name="index">Its place in a transaction; null where it is alone.</param>
    /// <param name="faults">Gets the parameters' faults.</param>
    public StatementCall? Finish(string pointer, int? index, RequestFaults faults)
    {
        if (_sql is not { } sql)
        {
            if (!_hasSql)
                fields.Fault($"{pointer}/sql", "sql is required.");
            return null;
        }
        var statement = ParameterBinder.Bind(sql, _parameters, _parameterTypes, index, pointer, faults);
        if (statement.Sql.Kind == StatementKind.Empty)
            fields.Fault($"{pointer}/sql", "sql holds no statement.");
        return new StatementCall(statement, _rowFormat, _expectedRowCount, _maxRows);
    }

    private void ReadExpectation(JsonElement value, JsonPointer pointer)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            fields.Fault(pointer, "expect is an object such as {\"rowCount\": 1}.");
            return;
        }

        var hasCount = false;
        foreach (var (name, at, count) in fields.Fields(value, pointer.ToString()))
        {
            if (name != "rowCount")
            {
                fields.Fault(at, "expect takes rowCount.");
                continue;
            }
            hasCount = true;
            if (count.ValueKind == JsonValueKind.Number && count.TryGetInt64(out var rows) && rows >= 0)
                _expectedRowCount = rows;
            else
                fields.Fault(at, "rowCount is an integer from 0.");
        }
        if (!hasCount)
            fields.Fault($"{pointer}/rowCount", "rowCount is required.");
    }
}
