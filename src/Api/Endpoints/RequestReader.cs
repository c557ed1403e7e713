using System.Data;
using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Journal;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Extensions.Primitives;
using NpgsqlTypes;

namespace Gateway.Api.Endpoints;

/// <summary>Reads a body into a valid request, or reports all its faults together.</summary>
internal sealed class RequestReader
{
    private const int MostStatements = 100;

    private static readonly FieldChoice<Numbers> NumbersField =
        new(("exact", Numbers.Exact), ("string", Numbers.String));

    private static readonly FieldChoice<Delivery> DeliveryField =
        new(("exactly-once", Delivery.ExactlyOnce), ("at-least-once", Delivery.AtLeastOnce));

    private static readonly FieldChoice<OnDisconnect> OnDisconnectField =
        new(("cancel", OnDisconnect.Cancel), ("continue", OnDisconnect.Continue));

    private static readonly FieldChoice<IsolationLevel> IsolationField = new(
        ("read committed", IsolationLevel.ReadCommitted),
        ("repeatable read", IsolationLevel.RepeatableRead),
        ("serializable", IsolationLevel.Serializable));

    private static readonly FieldHash IncludedIfTrue =
        FieldHash.IncludedUnless(value => value.ValueKind == JsonValueKind.False);

    /// <summary>All fields of a request, except those of a statement.</summary>
    private static readonly RequestField<RequestReader>[] OwnFields =
    [
        new("activityId", FieldHash.Excluded, static (reader, value, pointer) => reader.ReadActivityId(value, pointer)),
        new("attempt", FieldHash.Excluded, static (reader, value, pointer) =>
            reader._attempt = reader._fields.ReadInteger(value, pointer, 1, int.MaxValue)),
        new("connection", FieldHash.Excluded, static (reader, value, pointer) =>
            reader._connection = reader._fields.ReadString(value, pointer) ?? reader._connection),
        new("timeoutMs", FieldHash.Excluded, static (reader, value, pointer) =>
            reader._timeoutMs =
                reader._fields.ReadInteger(value, pointer, 1, reader._options.MaxTimeoutMs) ?? reader._timeoutMs),
        new("numbers", NumbersField.Hash, static (reader, value, pointer) =>
            reader._numbers = NumbersField.Read(reader._fields, value, pointer)),
        new("minLsn", FieldHash.Excluded, static (reader, value, pointer) => reader.ReadMinLsn(value, pointer))
        { Operations = [Operation.Query, Operation.Transaction] },
        new("delivery", FieldHash.Excluded, static (reader, value, pointer) =>
            reader._delivery = DeliveryField.Read(reader._fields, value, pointer))
        { Operations = [Operation.Execute, Operation.Transaction] },
        new("onDisconnect", FieldHash.Excluded, static (reader, value, pointer) =>
            reader._onDisconnect = OnDisconnectField.Read(reader._fields, value, pointer))
        { Operations = [Operation.Execute, Operation.Transaction] },
        new(
            "statements",
            FieldHash.IncludedByElement(StatementReader.FieldsOf(Operation.Transaction).Hashes),
            static (reader, value, pointer) => reader.ReadStatements(value, pointer))
        { Operations = [Operation.Transaction] },
        new("isolation", IsolationField.Hash, static (reader, value, pointer) =>
            reader._isolation = IsolationField.Read(reader._fields, value, pointer))
        { Operations = [Operation.Transaction] },
        new("readOnly", IncludedIfTrue, static (reader, value, pointer) =>
            reader._readOnly = reader._fields.ReadBoolean(value, pointer))
        { Operations = [Operation.Transaction] },
        new("deferrable", IncludedIfTrue, static (reader, value, pointer) =>
            reader._deferrable = reader._fields.ReadBoolean(value, pointer))
        { Operations = [Operation.Transaction] },
    ];

    /// <summary>
    /// The fields of each operation. A query and an execute are one statement each, and its fields are the request's
    /// own.
    /// </summary>
    private static readonly RequestFields<RequestReader>[] FieldsByOperation =
    [
        WithStatement(Operation.Query),
        WithStatement(Operation.Execute),
        new(Operation.Transaction, OwnFields),
    ];

    private readonly Operation _operation;
    private readonly GatewayOptions _options;
    private readonly RequestFaults _faults = new();
    private readonly FieldReader _fields;
    private readonly StatementReader _statement;

    private bool _hasActivityId;
    private string? _activityId;
    private int? _attempt;
    private string _connection = GatewayOptions.DefaultConnection;
    private int _timeoutMs;
    private Numbers _numbers = NumbersField.Default;
    private Delivery _delivery = DeliveryField.Default;
    private NpgsqlLogSequenceNumber? _minLsn;
    private OnDisconnect _onDisconnect = OnDisconnectField.Default;
    private bool _hasStatements;
    private StatementCall?[] _statements = [];
    private IsolationLevel _isolation = IsolationField.Default;
    private bool _readOnly;
    private bool _deferrable;

    private RequestReader(Operation operation, GatewayOptions options)
    {
        _operation = operation;
        _options = options;
        _fields = new FieldReader(_faults);
        _statement = new StatementReader(_fields);
        _timeoutMs = options.DefaultTimeoutMs;
        _readOnly = operation == Operation.Query;
    }

    /// <summary>Reads a request.</summary>
    /// <param name="body">The body's object.</param>
    /// <param name="idempotencyKey">The values of the header <c>Idempotency-Key</c>.</param>
    /// <param name="operation">The operation, which decides the fields.</param>
    /// <param name="options">The limits.</param>
    /// <param name="record">
    /// Contains the caller. Receives the activity ID and the attempt, for problems and the log.
    /// </param>
    /// <exception cref="Errors.Failure"><c>invalid_request</c> with every fault.</exception>
    public static ActivityCall Read(
        JsonElement body, StringValues idempotencyKey, Operation operation,
        GatewayOptions options, RequestRecord record)
    {
        var reader = new RequestReader(operation, options);
        var known = FieldsByOperation[(int)operation];
        foreach (var (name, pointer, value) in reader._fields.Fields(body, ""))
        {
            if (!known.TryRead(reader, name, value, pointer))
                reader._fields.Fault(pointer, $"No field of this request has that name; it takes {known.Names}.");
        }
        reader.TakeActivityId(idempotencyKey);
        if (operation != Operation.Transaction)
            reader._statements = [reader._statement.Finish("", index: null, reader._faults)];
        else if (!reader._hasStatements)
            reader._fields.Fault("/statements", "statements is required.");
        if (reader._onDisconnect == OnDisconnect.Continue && !reader.IsRecorded)
        {
            reader._fields.Fault(
                "/onDisconnect",
                "onDisconnect can be \"continue\" only for a write with \"delivery\": \"exactly-once\": without a record, "
                + "the answer would be lost.");
        }

        if (reader._minLsn is not null && !reader._readOnly)
        {
            reader._fields.Fault(
                "/minLsn", "minLsn is about reads: set \"readOnly\": true, or remove it. A write runs on the primary.");
        }

        record.ActivityId = reader._activityId;
        record.Attempt = reader._attempt;
        if (reader._faults.Count > 0)
            throw Errors.Failure.Invalid(reader._faults);
        return reader.ToCall(body, record.Caller!);
    }

    /// <summary>Computes the hash of a valid request.</summary>
    public static RequestHash HashOf(JsonElement body, Operation operation) => RequestHash.Of(
        operation.HashTag(), operation.HashTagOfVersion1(), body, FieldsByOperation[(int)operation].Hashes);

    private bool IsRecorded => !_readOnly && _delivery == Delivery.ExactlyOnce;

    private ActivityCall ToCall(JsonElement body, Caller caller)
    {
        var access = _readOnly ? Access.ReadOnly : Access.ReadWrite;
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
            RequestHash = IsRecorded ? HashOf(body, _operation) : null,
            IsRetry = _attempt > 1,
            MinLsn = _minLsn,
            OutlivesCaller = _onDisconnect == OnDisconnect.Continue,
        };
    }

    private static RequestFields<RequestReader> WithStatement(Operation operation) => new(
        operation,
        OwnFields.Concat(
            StatementReader.Fields.Select(field => field.Within<RequestReader>(reader => reader._statement))));

    private void ReadStatements(JsonElement value, JsonPointer pointer)
    {
        _hasStatements = true;
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() is < 1 or > MostStatements)
        {
            _fields.Fault(pointer, $"statements must be an array of 1 to {MostStatements} statements.");
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
            _fields.Fault(pointer, "A statement must be an object such as {\"sql\": \"SELECT 1\"}.");
            return null;
        }
        var reader = new StatementReader(_fields);
        var known = StatementReader.FieldsOf(Operation.Transaction);
        foreach (var (name, at, field) in _fields.Fields(value, pointer))
        {
            if (!known.TryRead(reader, name, field, at))
                _fields.Fault(at, $"No field of a statement has that name; it takes {known.Names}.");
        }
        return reader.Finish(pointer, index, _faults);
    }

    private void ReadActivityId(JsonElement value, JsonPointer pointer)
    {
        _hasActivityId = true;
        if (_fields.ReadString(value, pointer) is not { } id)
            return;
        if (ActivityId.IsValid(id))
            _activityId = id;
        else
            _fields.Fault(pointer, $"activityId must be {ActivityId.Rule}.");
    }

    private void ReadMinLsn(JsonElement value, JsonPointer pointer)
    {
        if (_fields.ReadString(value, pointer) is not { } text)
            return;
        if (NpgsqlLogSequenceNumber.TryParse(text, out var position))
            _minLsn = position;
        else
            _fields.Fault(pointer, "minLsn must be the header Gateway-Lsn of an earlier answer, such as 0/3000148.");
    }

    /// <summary>
    /// Takes the activity ID from the header. It may replace the field; if both are given, they must be equal.
    /// </summary>
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
            _fields.Fault(
                "/activityId", $"The header Idempotency-Key is one key of {ActivityId.Rule}, bare or quoted.");
            return;
        }
        if (_activityId is not null && _activityId != key)
        {
            _fields.Fault(
                "/activityId", "activityId and the header Idempotency-Key differ; give one, or the same twice.");
        }
        else if (!_hasActivityId)
            _activityId = key;
    }
}
