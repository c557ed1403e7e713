using System.Globalization;
using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Contracts;

namespace Gateway.Api.Neon;

/// <summary>
/// Writes a failure as the protocol does: PostgreSQL's error, field by field. Drivers parse it only if the status is
/// 400; for other statuses they show the body as text.
/// </summary>
internal sealed class SqlError : FailureForm
{
    public override string MediaType => "application/json; charset=utf-8";

    public override int StatusOf(Failure failure)
    {
        // All of PostgreSQL's own errors, even retryable ones; X-Should-Retry distinguishes those.
        if (failure.Refusal?.Context is not null)
            return StatusCodes.Status400BadRequest;
        return ProblemTable.For(failure.Code).Status switch
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
            // A SQLSTATE has five characters, which no code of the gateway has.
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

    /// <summary>
    /// Returns all faults of a request in one message, since the protocol has no other field for them.
    /// </summary>
    private static string MessageOf(Failure failure)
    {
        const int Most = 10;
        if (failure.Faults is not { } faults)
            return failure.Message;
        var left = Math.Max(faults.Count - Most, 0) + failure.MoreFaults;
        var more = left > 0 ? $" And {left} more." : "";
        var shown = faults.Take(Most)
            .Select(fault => fault.Pointer.Length > 0 ? $"{fault.Pointer}: {fault.Detail}" : fault.Detail);
        return string.Join(' ', shown) + more;
    }

    private static string? Text(int? number) => number?.ToString(CultureInfo.InvariantCulture);
}
