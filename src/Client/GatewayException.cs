using System.Net;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>A request that failed for good, or as often as it may be tried.</summary>
public sealed class GatewayException : Exception
{
    /// <summary>The <see cref="Code"/> where no answer came, or not all of it.</summary>
    public const string Unreachable = "unreachable";

    /// <summary>The <see cref="Code"/> where what answered with success is no gateway.</summary>
    public const string InvalidResponse = "invalid_response";

    internal GatewayException(string code, string detail, bool retryable, int attempt, Exception? cause = null)
        : base($"{code}: {detail} (attempt {attempt})", cause)
    {
        Code = code;
        Retryable = retryable;
        Attempt = attempt;
    }

    /// <summary>
    /// The problem's code, such as <c>sql_error</c>; <c>http_502</c> where something before the gateway answered, else
    /// <see cref="Unreachable"/> or <see cref="InvalidResponse"/>.
    /// </summary>
    public string Code { get; }

    /// <summary>The HTTP status; null where no answer came.</summary>
    public HttpStatusCode? Status { get; internal init; }

    /// <summary>Whether the same request, under the same activity ID, may yet succeed. An engine's retry policy can go by it.</summary>
    public bool Retryable { get; }

    /// <summary>
    /// Whether the request's effect was kept, by this or an earlier try: <see cref="Committed.Unknown"/> as soon as it is of one
    /// of them. Always <see cref="Committed.No"/> for what can't write.
    /// </summary>
    public Committed Committed { get; internal set; } = Committed.Unknown;

    /// <summary>The number of the last try.</summary>
    public int Attempt { get; }

    /// <summary>What the gateway said of the last try; null where it said nothing, or nothing that this client can read.</summary>
    public Problem? Problem { get; internal init; }

    /// <summary>PostgreSQL's five-character code, where PostgreSQL refused.</summary>
    public string? SqlState => Problem?.SqlState;

    /// <summary>How long the gateway asks to wait.</summary>
    internal TimeSpan? RetryAfter { get; init; }
}
