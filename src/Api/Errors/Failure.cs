using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>
/// A failure, classified: the only exception that the request's path answers from. Whatever meets a fault classifies
/// it once, where the most is known about it.
/// </summary>
internal sealed class Failure : Exception
{
    public Failure(ProblemCode code, string detail, Exception? cause = null)
        : base(detail, cause) => Code = code;

    public ProblemCode Code { get; }

    /// <summary>Every fault of the request, for <see cref="ProblemCode.InvalidRequest"/>.</summary>
    public IReadOnlyList<RequestFault>? Faults { get; init; }

    /// <summary>What PostgreSQL said, where it is PostgreSQL that refused.</summary>
    public PostgresRefusal? Refusal { get; init; }

    /// <summary>Which statement of a transaction failed, from 0.</summary>
    public int? Statement { get; set; }

    /// <summary>Whether the request's effect was kept.</summary>
    public Committed Committed { get; init; }

    /// <summary>What the header WWW-Authenticate asks for, where it is the credential that failed.</summary>
    public string? Challenge { get; init; }

    /// <summary>How long to wait before a retry, in whole seconds (1 to 60).</summary>
    public int RetryAfterSeconds { get; init; } = 1;

    public static Failure Invalid(IReadOnlyList<RequestFault> faults) =>
        new(ProblemCode.InvalidRequest, Summarize(faults)) { Faults = faults };

    private static string Summarize(IReadOnlyList<RequestFault> faults) =>
        faults.Count == 1 ? faults[0].Detail : $"The request has {faults.Count} faults.";
}

/// <summary>The parts of PostgreSQL's error that a caller is shown.</summary>
internal sealed record PostgresRefusal(string SqlState)
{
    public string? Hint { get; init; }

    /// <summary>Counted in characters of the caller's SQL, from 1.</summary>
    public int? Position { get; init; }
    public string? Schema { get; init; }
    public string? Table { get; init; }
    public string? Column { get; init; }
    public string? DataType { get; init; }
    public string? Constraint { get; init; }
}
