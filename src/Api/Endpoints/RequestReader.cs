using System.Data;
using System.Text.Json;
using Gateway.Api.Admission;
using Gateway.Api.Connections;
using Gateway.Api.Execution;
using Gateway.Api.Replay;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Endpoints;

/// <summary>Which endpoint a request came to.</summary>
internal enum Operation
{
    Query,
    Execute,
    Transaction,
}

/// <summary>A body → a valid request, or its faults together.</summary>
internal sealed class RequestReader
{
    private const int MostStatements = 100;

    private readonly Operation _operation;
    private readonly GatewayOptions _options;
    private readonly RequestFaults _faults = new();
    private readonly FieldReader _fields;
    private readonly StatementReader _statement;

    private bool _hasActivityId;
    private string? _activityId;
    private int? _attempt;
    private string _connection = GatewayConfiguration.DefaultConnection;
    private int _timeoutMs;
    private Numbers _numbers;
    private Delivery _delivery;
    private bool _hasStatements;
    private StatementCall?[] _statements = [];
    private IsolationLevel _isolation = IsolationLevel.ReadCommitted;
    private bool _readOnly;
    private bool _deferrable;
    private string? _knownFields;

    private RequestReader(Operation operation, GatewayOptions options)
    {
        _operation = operation;
        _options = options;
        _fields = new FieldReader(_faults);
        _statement = new StatementReader(_fields, operation);
        _timeoutMs = options.DefaultTimeoutMs;
        _readOnly = operation == Operation.Query;
    }

    /// <summary>Reads a request.</summary>
    /// <param name="body">The body's object.</param>
    /// <param name="idempotencyKey">The header's values.</param>
    /// <param name="operation">Which endpoint it is: each takes its own fields.</param>
    /// <param name="options">The limits.</param>
    /// <param name="record">Knows the caller; gets the activity's ID and attempt, which a problem and the log name too.</param>
    /// <exception cref="Errors.Failure"><c>invalid_request</c> with every fault.</exception>
    public static ActivityCall Read(
        JsonElement body, StringValues idempotencyKey, Operation operation, GatewayOptions options, RequestRecord record)
    {
        var reader = new RequestReader(operation, options);
        foreach (var (name, pointer, value) in reader._fields.Fields(body, ""))
            reader.ReadField(name, pointer, value);
        reader.TakeActivityId(idempotencyKey);
        if (operation != Operation.Transaction)
            reader._statements = [reader._statement.Finish("", index: null, reader._faults)];
        else if (!reader._hasStatements)
            reader._fields.Fault("/statements", "statements is required.");

        record.ActivityId = reader._activityId;
        record.Attempt = reader._attempt;
        if (reader._faults.Count > 0)
            throw Errors.Failure.Invalid(reader._faults);
        return reader.ToCall(body, record.Caller!);
    }

    private ActivityCall ToCall(JsonElement body, Caller caller)
    {
        var access = _readOnly ? Access.ReadOnly : Access.ReadWrite;
        var isRecorded = access == Access.ReadWrite && _delivery == Delivery.ExactlyOnce;
        return new ActivityCall
        {
            Caller = caller,
            Activity = new ActivityIdentity(caller.Name, _connection, _activityId!),
            Statements = _statements!,
            Mode = _operation == Operation.Transaction
                ? new TransactionMode(access, _isolation, _deferrable)
                : new TransactionMode(access),
            IsTransaction = _operation == Operation.Transaction,
            IsQuery = _operation == Operation.Query,
            Numbers = _numbers,
            Budget = TimeSpan.FromMilliseconds(_timeoutMs),
            RequestHash = isRecorded ? RequestHash.Of(_operation.ToString(), body) : null,
            IsRetry = _attempt > 1,
        };
    }

    private void ReadField(string name, JsonPointer pointer, JsonElement value)
    {
        switch (name)
        {
            case "activityId":
                _hasActivityId = true;
                ReadActivityId(value, pointer);
                break;
            case "attempt":
                _attempt = _fields.ReadInteger(value, pointer, 1, int.MaxValue);
                break;
            case "connection":
                _connection = _fields.ReadString(value, pointer) ?? _connection;
                break;
            case "timeoutMs":
                _timeoutMs = _fields.ReadInteger(value, pointer, 1, _options.MaxTimeoutMs) ?? _timeoutMs;
                break;
            case "numbers":
                _numbers = _fields.ReadChoice(value, pointer, ("exact", Numbers.Exact), ("string", Numbers.String));
                break;
            case "delivery" when _operation != Operation.Query:
                _delivery = _fields.ReadChoice(
                    value, pointer, ("exactly-once", Delivery.ExactlyOnce), ("at-least-once", Delivery.AtLeastOnce));
                break;
            default:
                var known = _operation == Operation.Transaction
                    ? ReadTransactionField(name, pointer, value)
                    : _statement.Read(name, value, pointer);
                if (!known)
                    _fields.Fault(pointer, $"No field of this request has that name; it takes {_knownFields ??= KnownFields()}.");
                break;
        }
    }

    private bool ReadTransactionField(string name, JsonPointer pointer, JsonElement value)
    {
        switch (name)
        {
            case "statements":
                _hasStatements = true;
                ReadStatements(value, pointer);
                return true;
            case "isolation":
                _isolation = _fields.ReadChoice(
                    value, pointer,
                    ("read committed", IsolationLevel.ReadCommitted),
                    ("repeatable read", IsolationLevel.RepeatableRead),
                    ("serializable", IsolationLevel.Serializable));
                return true;
            case "readOnly":
                _readOnly = _fields.ReadBoolean(value, pointer);
                return true;
            case "deferrable":
                _deferrable = _fields.ReadBoolean(value, pointer);
                return true;
            default:
                return false;
        }
    }

    private string KnownFields() => "activityId, attempt, connection, timeoutMs, numbers, " + _operation switch
    {
        Operation.Query => _statement.KnownFields,
        Operation.Execute => $"{_statement.KnownFields}, delivery",
        _ => "statements, isolation, readOnly, deferrable, delivery",
    };

    private void ReadStatements(JsonElement value, JsonPointer pointer)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() is < 1 or > MostStatements)
        {
            _fields.Fault(pointer, $"statements is an array of 1 to {MostStatements}.");
            return;
        }
        _statements = new StatementCall?[value.GetArrayLength()];
        foreach (var (index, statement) in value.EnumerateArray().Index())
            _statements[index] = ReadStatement(statement, $"{pointer}/{index}", index);
    }

    private StatementCall? ReadStatement(JsonElement value, string pointer, int index)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            _fields.Fault(pointer, "A statement is an object such as {\"sql\": \"SELECT 1\"}.");
            return null;
        }
        var reader = new StatementReader(_fields, Operation.Transaction);
        foreach (var (name, at, field) in _fields.Fields(value, pointer))
        {
            if (!reader.Read(name, field, at))
                _fields.Fault(at, $"No field of a statement has that name; it takes {reader.KnownFields}.");
        }
        return reader.Finish(pointer, index, _faults);
    }

    private void ReadActivityId(JsonElement value, JsonPointer pointer)
    {
        if (_fields.ReadString(value, pointer) is not { } id)
            return;
        if (ActivityId.IsValid(id))
            _activityId = id;
        else
            _fields.Fault(pointer, $"activityId is {ActivityId.Rule}.");
    }

    /// <summary>The header may stand in for the field; where both are given they must agree.</summary>
    private void TakeActivityId(StringValues header)
    {
        if (header.Count == 0)
        {
            if (!_hasActivityId)
                _fields.Fault("/activityId", "activityId is required, here or in the header Idempotency-Key.");
            return;
        }

        if (ActivityId.Read(header) is not { } key)
        {
            _fields.Fault("/activityId", $"The header Idempotency-Key is one key of {ActivityId.Rule}, bare or quoted.");
            return;
        }
        if (_activityId is not null && _activityId != key)
            _fields.Fault("/activityId", "activityId and the header Idempotency-Key differ; give one, or the same twice.");
        else if (!_hasActivityId)
            _activityId = key;
    }
}
