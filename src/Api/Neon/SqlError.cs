using System.Globalization;
using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Contracts;

namespace Gateway.Api.Neon;

/// <summary>
/// A failure as the protocol has it: PostgreSQL's error, field by field. A driver makes an error of it only where the status is
/// 400, and shows the body as text for all others.
/// </summary>
internal sealed class SqlError : FailureForm
{
    public override string MediaType => "application/json; charset=utf-8";

    public override int StatusOf(Failure failure)
    {
        // PostgreSQL's own, those that may succeed the next time too: X-Should-Retry tells them apart.
        if (failure.Refusal?.Context is not null)
            return StatusCodes.Status400BadRequest;
        return FailureTable.For(failure.Code).Status switch
        {
            _ when failure.Code == ProblemCode.ResultTooLarge => StatusCodes.Status507InsufficientStorage,
            StatusCodes.Status422UnprocessableEntity => StatusCodes.Status400BadRequest,
            var status => status,
        };
    }

    public override byte[] BodyOf(Failure failure, string? activityId)
    {
        var refusal = failure.Refusal;
        var context = refusal?.Context;
        using var body = new PooledBuffer(int.MaxValue);
        using (var json = new Utf8JsonWriter(body, JsonString.WriterOptions))
        {
            json.WriteStartObject();
            json.WriteString("message"u8, MessageOf(failure));
            // A SQLSTATE has five characters, and no code of the gateway's is one.
            json.WriteString("code"u8, refusal?.SqlState ?? NameOf(failure.Code));
            json.WriteString("detail"u8, context?.Detail);
            json.WriteString("hint"u8, refusal?.Hint);
            json.WriteString("position"u8, Text(refusal?.Position));
            json.WriteString("internalPosition"u8, Text(context?.InternalPosition));
            json.WriteString("internalQuery"u8, context?.InternalQuery);
            json.WriteString("severity"u8, context?.Severity);
            json.WriteString("where"u8, context?.Where);
            json.WriteString("table"u8, refusal?.Table);
            json.WriteString("column"u8, refusal?.Column);
            json.WriteString("schema"u8, refusal?.Schema);
            json.WriteString("dataType"u8, refusal?.DataType);
            json.WriteString("constraint"u8, refusal?.Constraint);
            json.WriteString("file"u8, context?.File);
            json.WriteString("line"u8, context?.Line);
            json.WriteString("routine"u8, context?.Routine);
            json.WriteEndObject();
        }
        return body.Written.ToArray();
    }

    /// <summary>All faults of a request in one message, since there is no other place for them.</summary>
    private static string MessageOf(Failure failure)
    {
        const int Most = 10;
        if (failure.Faults is not { } faults)
            return failure.Message;
        var left = Math.Max(faults.Count - Most, 0) + failure.MoreFaults;
        var more = left > 0 ? $" And {left} more." : "";
        return string.Join(' ', faults.Take(Most).Select(fault => fault.Pointer.Length > 0 ? $"{fault.Pointer}: {fault.Detail}" : fault.Detail)) + more;
    }

    private static string? Text(int? number) => number?.ToString(CultureInfo.InvariantCulture);
}
