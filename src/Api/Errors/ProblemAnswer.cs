using System.Diagnostics;
using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>Writes a <see cref="Failure"/> as problem details (RFC 9457).</summary>
internal sealed class ProblemAnswer : FailureForm
{
    /// <summary>
    /// The maximum size of a problem, in bytes. Temporal keeps at most 4 KB of a failure, so a problem stays well below
    /// that.
    /// </summary>
    public const int LargestProblemBytes = 2048;

    private const int LongestDetail = 700;
    private const int LongestHint = 300;

    /// <summary>
    /// The maximum length of a name. PostgreSQL's own names are not longer, but RAISE in a function can send any name.
    /// </summary>
    private const int LongestName = 63;

    public static readonly ProblemAnswer Instance = new();

    public override string MediaType => "application/problem+json";

    public override int StatusOf(Failure failure) => ProblemTable.For(failure.Code).Status;

    public override byte[] BodyOf(Failure failure, string? activityId) =>
        Serialize(Describe(failure, ProblemTable.For(failure.Code), activityId));

    public static Problem Describe(Failure failure, ProblemKind answer, string? activityId)
    {
        return new Problem
        {
            Type = $"/problems/{NameOf(failure.Code)}",
            Title = answer.Title,
            Status = answer.Status,
            Code = failure.Code,
            Detail = Shorten(failure.Message, LongestDetail)!,
            Errors = failure.Faults,
            MoreErrors = failure.MoreFaults > 0 ? failure.MoreFaults : null,
            SqlState = failure.Refusal?.SqlState,
            Hint = Shorten(failure.Refusal?.Hint, LongestHint),
            Statement = failure.Statement,
            Position = failure.Refusal?.Position,
            Schema = Shorten(failure.Refusal?.Schema, LongestName),
            Table = Shorten(failure.Refusal?.Table, LongestName),
            Column = Shorten(failure.Refusal?.Column, LongestName),
            DataType = Shorten(failure.Refusal?.DataType, LongestName),
            Constraint = Shorten(failure.Refusal?.Constraint, LongestName),
            Retryable = answer.Retryable,
            Committed = failure.Committed,
            ActivityId = activityId,
            TraceId = Activity.Current?.TraceId.ToString(),
        };
    }

    /// <summary>Returns the problem as UTF-8 JSON of at most <see cref="LargestProblemBytes"/>.</summary>
    public static byte[] Serialize(Problem problem)
    {
        var body = Encode(problem);
        if (body.Length <= LargestProblemBytes)
            return body;

        return WithFewerFaults(problem) ?? Encode(problem with
        {
            // An escaped character may take up to six bytes.
            Detail = Shorten(problem.Detail, LongestDetail / 6)!,
            Hint = null,
            Errors = null,
            MoreErrors = problem.Errors is { } all ? all.Count + (problem.MoreErrors ?? 0) : null,
        });
    }

    /// <summary>Returns the problem with as many faults as fit; null if it does not fit even without faults.</summary>
    private static byte[]? WithFewerFaults(Problem problem)
    {
        byte[]? largest = null;
        var shortened = problem.Errors?.Select(Shortened).ToArray() ?? [];
        // Binary search: the first number of faults fits, the second does not.
        var (least, most) = (-1, shortened.Length);
        while (most - least > 1)
        {
            var kept = (least + most) / 2;
            var body = Encode(problem with
            {
                Errors = shortened[..kept],
                MoreErrors = shortened.Length - kept + (problem.MoreErrors ?? 0),
            });
            (least, most, largest) = body.Length <= LargestProblemBytes ? (kept, most, body) : (least, kept, largest);
        }
        return largest;
    }

    private static RequestFault Shortened(RequestFault fault) =>
        new(Shorten(fault.Pointer, 200)!, Shorten(fault.Detail, 200)!);

    private static byte[] Encode(Problem problem) =>
        JsonSerializer.SerializeToUtf8Bytes(problem, ProblemJson.Problem);

    /// <summary>Relaxed escaping: people read problems, and no HTML contains them.</summary>
    private static readonly ContractJson ProblemJson = new(new JsonSerializerOptions(ContractJson.Default.Options)
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    private static string? Shorten(string? text, int longest)
    {
        if (text is null || text.Length <= longest)
            return text;
        // Does not cut a surrogate pair.
        var end = char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest;
        return string.Concat(text.AsSpan(0, end), "…");
    }
}
