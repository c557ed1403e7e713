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

    /// <summary>The faults of the request, or the first ones, for <see cref="ProblemCode.InvalidRequest"/>.</summary>
    public IReadOnlyList<RequestFault>? Faults { get; init; }

    /// <summary>How many more faults the request has.</summary>
    public int MoreFaults { get; init; }

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

    public static Failure Invalid(RequestFaults faults) =>
        new(ProblemCode.InvalidRequest, faults.Count == 1 ? faults.Kept[0].Detail : $"The request has {faults.Count} faults.")
        {
            Faults = faults.Kept,
            MoreFaults = faults.Count - faults.Kept.Count,
        };

    public static Failure Invalid(params ReadOnlySpan<RequestFault> faults)
    {
        var all = new RequestFaults();
        foreach (var fault in faults)
            all.Add(fault);
        return Invalid(all);
    }
}

/// <summary>The parts of PostgreSQL's error that a caller is shown; without the values of its parameters.</summary>
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

    /// <summary>What only a protocol shows that passes all of PostgreSQL's error on; null where the statement never got there.</summary>
    public PostgresErrorContext? Context { get; init; }
}

/// <summary>The rest of PostgreSQL's error: it may quote rows, so a problem, which engines keep, does not have it.</summary>
internal sealed record PostgresErrorContext(string Severity)
{
    public string? Detail { get; init; }

    /// <summary>Where in <see cref="InternalQuery"/>, in characters from 1.</summary>
    public int? InternalPosition { get; init; }

    /// <summary>The statement of a function's that failed.</summary>
    public string? InternalQuery { get; init; }

    /// <summary>What called what, a line for each.</summary>
    public string? Where { get; init; }

    /// <summary>Where in PostgreSQL's source.</summary>
    public string? File { get; init; }
    public string? Line { get; init; }
    public string? Routine { get; init; }
}
