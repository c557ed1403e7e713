using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>
/// What a failure looks like to the caller: problem details, save where an endpoint's metadata has the form of another protocol.
/// </summary>
internal abstract class FailureForm
{
    public abstract string MediaType { get; }

    public abstract int StatusOf(Failure failure);

    public abstract byte[] BodyOf(Failure failure, string? activityId);

    /// <summary>The code as it is on the wire, as in <c>sql_error</c>.</summary>
    public static string NameOf(ProblemCode code) => JsonNamingPolicy.SnakeCaseLower.ConvertName(code.ToString());

    /// <summary>The headers of every answer that is not 2xx.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="afterSeconds">How long to wait before a retry; null where none can succeed.</param>
    public static void SayRetry(HttpResponse response, int? afterSeconds)
    {
        response.Headers["X-Should-Retry"] = afterSeconds is null ? "false" : "true";
        if (afterSeconds is { } seconds)
            response.Headers.RetryAfter = Math.Clamp(seconds, 1, 60).ToString();
    }

    /// <summary>Answers with a failure, in the form that the request's endpoint has.</summary>
    public static async Task AnswerAsync(HttpContext http, Failure failure, string? activityId)
    {
        var form = http.GetEndpoint()?.Metadata.GetMetadata<FailureForm>() ?? ProblemAnswer.Instance;
        http.Response.StatusCode = form.StatusOf(failure);
        http.Response.ContentType = form.MediaType;
        SayRetry(http.Response, FailureTable.For(failure.Code).Retryable ? failure.RetryAfterSeconds : null);

        if (failure.Challenge is { } challenge)
            http.Response.Headers.WWWAuthenticate = challenge;

        var body = form.BodyOf(failure, activityId);
        http.Response.ContentLength = body.Length;
        // Without the caller's token: where the caller is gone, Kestrel drops what is written.
        await http.Response.BodyWriter.WriteAsync(body);
    }
}
