using System.Text.Json;
using Gateway.Api.Admission;
using Gateway.Api.Connections;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Endpoints;

/// <summary>
/// A body → a valid request, or every fault of it at once. It goes by hand rather than by a serializer, which stops at
/// the first fault and turns a number's digits into a double's.
/// </summary>
internal sealed class RequestReader
{
    private const int LongestActivityId = 255;

    private readonly GatewayOptions _options;
    private readonly List<RequestFault> _faults = [];
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

    private string? _activityId;
    private int? _attempt;
    private string _connection = GatewayConfiguration.DefaultConnection;
    private string? _sql;
    private JsonElement? _parameters;
    private int _timeoutMs;
    private RowFormat _rowFormat;
    private long? _expectedRowCount;
    private Delivery _delivery;

    private RequestReader(GatewayOptions options)
    {
        _options = options;
        _timeoutMs = options.DefaultTimeoutMs;
    }

    /// <summary>Reads a request for one statement.</summary>
    /// <param name="body">The body's object.</param>
    /// <param name="idempotencyKey">The header's values.</param>
    /// <param name="access">Which endpoint it is: a query has neither <c>expect</c> nor <c>delivery</c>.</param>
    /// <param name="options">The limits.</param>
    /// <param name="record">Gets the activity's ID and attempt, which a problem and the log name too.</param>
    /// <exception cref="Errors.Failure"><c>invalid_request</c> with every fault.</exception>
    public static StatementCall Read(
        JsonElement body, StringValues idempotencyKey, Access access, GatewayOptions options, RequestRecord record)
    {
        var reader = new RequestReader(options);
        foreach (var field in body.EnumerateObject())
            reader.ReadField(field, access);
        reader.TakeActivityId(idempotencyKey);

        BoundStatement? statement = null;
        if (reader._sql is { } sql)
        {
            statement = ParameterBinder.Bind(sql, reader._parameters, "/parameters", reader._faults);
            if (statement.Sql.Kind == StatementKind.Empty)
                reader.Fault("/sql", "sql holds no statement.");
        }
        else if (!reader._seen.Contains("sql"))
            reader.Fault("/sql", "sql is required.");

        record.ActivityId = reader._activityId;
        record.Attempt = reader._attempt;
        if (reader._faults.Count > 0)
            throw Errors.Failure.Invalid(reader._faults);

        return new StatementCall
        {
            Caller = LoopbackOnly.Caller,
            ActivityId = reader._activityId!,
            Connection = reader._connection,
            Statement = statement!,
            Access = access,
            Budget = TimeSpan.FromMilliseconds(reader._timeoutMs),
            RowFormat = reader._rowFormat,
            ExpectedRowCount = reader._expectedRowCount,
            Delivery = reader._delivery,
        };
    }

    private void ReadField(JsonProperty field, Access access)
    {
        if (!JsonText.TryReadName(field, out var name))
        {
            Fault("", JsonText.LoneSurrogate);
            return;
        }
        var pointer = $"/{JsonPointer.Escape(name)}";
        if (!_seen.Add(name))
        {
            Fault(pointer, "The field is given twice.");
            return;
        }

        switch (name)
        {
            case "activityId":
                ReadActivityId(field.Value, pointer);
                break;
            case "attempt":
                _attempt = ReadInteger(field.Value, pointer, 1, int.MaxValue);
                break;
            case "connection":
                _connection = ReadString(field.Value, pointer) ?? _connection;
                break;
            case "sql":
                _sql = ReadString(field.Value, pointer);
                break;
            case "parameters":
                _parameters = field.Value;
                break;
            case "timeoutMs":
                _timeoutMs = ReadInteger(field.Value, pointer, 1, _options.MaxTimeoutMs) ?? _timeoutMs;
                break;
            case "rowFormat":
                _rowFormat = ReadChoice(field.Value, pointer, ("object", RowFormat.Object), ("array", RowFormat.Array));
                break;
            case "expect" when access == Access.ReadWrite:
                ReadExpectation(field.Value, pointer);
                break;
            case "delivery" when access == Access.ReadWrite:
                _delivery = ReadChoice(
                    field.Value, pointer,
                    ("exactly-once", Delivery.ExactlyOnce), ("at-least-once", Delivery.AtLeastOnce));
                break;
            default:
                Fault(pointer, $"No field of this request has that name; it takes {KnownFields(access)}.");
                break;
        }
    }

    private static string KnownFields(Access access) =>
        "activityId, attempt, connection, sql, parameters, timeoutMs, rowFormat"
        + (access == Access.ReadWrite ? ", expect, delivery" : "");

    private void ReadActivityId(JsonElement value, string pointer)
    {
        if (ReadString(value, pointer) is not { } id)
            return;
        if (IsActivityId(id))
            _activityId = id;
        else
            Fault(pointer, $"activityId is 1 to {LongestActivityId} visible ASCII characters (0x21 to 0x7E).");
    }

    private static bool IsActivityId(string id) =>
        id.Length is >= 1 and <= LongestActivityId && !id.AsSpan().ContainsAnyExceptInRange('\x21', '\x7E');

    /// <summary>The header may stand in for the field; where both are given they must agree.</summary>
    private void TakeActivityId(StringValues header)
    {
        if (header.Count == 0)
        {
            if (!_seen.Contains("activityId"))
                Fault("/activityId", "activityId is required, here or in the header Idempotency-Key.");
            return;
        }

        var key = header.Count == 1 ? Unquote(header[0]!) : null;
        if (key is null || !IsActivityId(key))
        {
            Fault("/activityId", $"The header Idempotency-Key is one key of 1 to {LongestActivityId} visible ASCII characters, bare or quoted.");
            return;
        }
        if (_activityId is not null && _activityId != key)
            Fault("/activityId", "activityId and the header Idempotency-Key differ; give one, or the same twice.");
        else if (!_seen.Contains("activityId"))
            _activityId = key;
    }

    /// <summary>A structured field's string (RFC 8941), or the bare text; null where the quoting is faulty.</summary>
    private static string? Unquote(string header)
    {
        if (!header.StartsWith('"'))
            return header;
        if (header.Length < 2 || !header.EndsWith('"'))
            return null;

        var text = new System.Text.StringBuilder(header.Length);
        for (var i = 1; i < header.Length - 1; i++)
        {
            if (header[i] == '"')
                return null;
            if (header[i] == '\\' && (++i == header.Length - 1 || header[i] is not ('"' or '\\')))
                return null;
            text.Append(header[i]);
        }
        return text.ToString();
    }

    private void ReadExpectation(JsonElement value, string pointer)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            Fault(pointer, "expect is an object such as {\"rowCount\": 1}.");
            return;
        }

        foreach (var field in value.EnumerateObject())
        {
            if (!JsonText.TryReadName(field, out var name))
                Fault(pointer, JsonText.LoneSurrogate);
            else if (name != "rowCount")
                Fault($"{pointer}/{JsonPointer.Escape(name)}", "expect takes rowCount.");
            else if (field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetInt64(out var count) && count >= 0)
                _expectedRowCount = count;
            else
                Fault($"{pointer}/rowCount", "rowCount is an integer from 0.");
        }
        if (_expectedRowCount is null && !value.TryGetProperty("rowCount"u8, out _))
            Fault($"{pointer}/rowCount", "rowCount is required.");
    }

    private string? ReadString(JsonElement value, string pointer)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            Fault(pointer, $"A string is wanted, not {Kind(value)}.");
            return null;
        }
        if (JsonText.TryRead(value, out var text, out var fault))
            return text;
        Fault(pointer, fault);
        return null;
    }

    private int? ReadInteger(JsonElement value, string pointer, int least, int most)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most)
            return number;
        Fault(pointer, $"An integer from {least} to {most} is wanted.");
        return null;
    }

    private T ReadChoice<T>(JsonElement value, string pointer, params ReadOnlySpan<(string Word, T Meaning)> choices)
        where T : struct
    {
        var words = new List<string>();
        foreach (var (word, meaning) in choices)
        {
            if (value.ValueKind == JsonValueKind.String && value.ValueEquals(word))
                return meaning;
            words.Add($"\"{word}\"");
        }
        Fault(pointer, $"{string.Join(" or ", words)} is wanted.");
        return default;
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "a boolean",
    };

    private void Fault(string pointer, string detail) => _faults.Add(new RequestFault(pointer, detail));
}
