using System.Net;
using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>Thrown when a request fails permanently, or has used all tries.</summary>
public sealed class GatewayException : Exception
{
    /// <summary>The <see cref="Code"/> if no answer arrived, or not all of it.</summary>
    public const string Unreachable = "unreachable";

    /// <summary>The <see cref="Code"/> if a server that is not a gateway answered with success.</summary>
    public const string InvalidResponse = "invalid_response";

    /// <summary>Creates an exception from a problem, for tests of activities.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="attempt">The number of the last try.</param>
    public GatewayException(Problem problem, int attempt = 1)
        : this(CodeOf(problem), problem.Detail, problem.Retryable, attempt)
    {
        Problem = problem;
        Status = (HttpStatusCode)problem.Status;
        Committed = problem.Committed;
    }

    internal GatewayException(string code, string detail, bool retryable, int attempt, Exception? cause = null)
        : base($"{code}: {detail} (attempt {attempt})", cause)
    {
        Code = code;
        Retryable = retryable;
        Attempt = attempt;
    }

    /// <summary>
    /// Gets the problem's code, such as <c>sql_error</c>. If a proxy answered, it is <c>http_502</c> for example;
    /// without a valid answer it is <see cref="Unreachable"/> or <see cref="InvalidResponse"/>.
    /// </summary>
    public string Code { get; }

    /// <summary>Gets the HTTP status; null if no answer arrived.</summary>
    public HttpStatusCode? Status { get; internal init; }

    /// <summary>
    /// Gets whether the same request, under the same activity ID, may still succeed. An engine's retry policy can use
    /// it.
    /// </summary>
    public bool Retryable { get; }

    /// <summary>
    /// Gets whether the request's effect was committed, by any try. It is <see cref="Committed.Unknown"/> if that is
    /// unknown for one try and no other committed, and always <see cref="Committed.No"/> for a request that can't
    /// write.
    /// </summary>
    public Committed Committed { get; internal set; } = Committed.Unknown;

    /// <summary>Gets the number of the last try.</summary>
    public int Attempt { get; }

    /// <summary>
    /// Gets the problem of the last try; null if the gateway sent none, or none that this client can read.
    /// </summary>
    public Problem? Problem { get; internal init; }

    /// <summary>Gets PostgreSQL's five-character error code, if PostgreSQL reported the error.</summary>
    public string? SqlState => Problem?.SqlState;

    /// <summary>Gets the time that the gateway asks to wait.</summary>
    internal TimeSpan? RetryAfter { get; init; }

    private static string CodeOf(Problem problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        return JsonSerializer.SerializeToElement(problem.Code, AnswerJson.Contract.ProblemCode).GetString()!;
    }
}
