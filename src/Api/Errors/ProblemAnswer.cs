using System.Diagnostics;
using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>A <see cref="Failure"/> as problem details.</summary>
internal sealed class ProblemAnswer : FailureForm
{
    /// <summary>Temporal keeps no more than 4 KB of a failure, so a problem stays well below that.</summary>
    public const int LargestProblemBytes = 2048;

    private const int LongestDetail = 700;
    private const int LongestHint = 300;

    /// <summary>PostgreSQL's own names are no longer; a function's RAISE can have any.</summary>
    private const int LongestName = 63;

    public static readonly ProblemAnswer Instance = new();

    public override string MediaType => "application/problem+json";

    public override int StatusOf(Failure failure) => FailureTable.For(failure.Code).Status;

    public override byte[] BodyOf(Failure failure, string? activityId) =>
        Serialize(Describe(failure, FailureTable.For(failure.Code), activityId));

    public static Problem Describe(Failure failure, FailureAnswer answer, string? activityId)
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

    /// <summary>The problem as UTF-8 JSON of at most <see cref="LargestProblemBytes"/>.</summary>
    public static byte[] Serialize(Problem problem)
    {
        var body = Encode(problem);
        if (body.Length <= LargestProblemBytes)
            return body;

        return WithFewerFaults(problem) ?? Encode(problem with
        {
            // Text, whose characters may take up to six bytes when escaped.
            Detail = Shorten(problem.Detail, LongestDetail / 6)!,
            Hint = null,
            Errors = null,
            MoreErrors = problem.Errors is { } all ? all.Count + (problem.MoreErrors ?? 0) : null,
        });
    }

    /// <summary>With as many faults as there is room for; null where there is not even for the rest.</summary>
    private static byte[]? WithFewerFaults(Problem problem)
    {
        byte[]? largest = null;
        var shortened = problem.Errors?.Select(Shortened).ToArray() ?? [];
        // As many as surely fit, and as many as surely don't.
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

    /// <summary>Relaxed escaping: a problem is read by people, and never inlined into HTML.</summary>
    private static readonly ContractJson ProblemJson = new(new JsonSerializerOptions(ContractJson.Default.Options)
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    private static string? Shorten(string? text, int longest)
    {
        if (text is null || text.Length <= longest)
            return text;
        // Never between the two halves of a surrogate pair.
        var end = char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest;
        return string.Concat(text.AsSpan(0, end), "…");
    }
}
