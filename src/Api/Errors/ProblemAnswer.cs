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

        // Faults are what grows without bound; then text, whose characters may take up to six bytes when escaped.
        for (var kept = problem.Errors?.Count - 1 ?? -1; kept >= 0; kept--)
        {
            body = Encode(problem with
            {
                Errors = problem.Errors!.Take(kept).Select(Shortened).ToArray(),
                MoreErrors = problem.Errors!.Count - kept,
            });
            if (body.Length <= LargestProblemBytes)
                return body;
        }
        return Encode(problem with
        {
            Detail = Shorten(problem.Detail, LongestDetail / 6)!,
            Hint = null,
            Errors = null,
            MoreErrors = problem.Errors?.Count,
        });
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
