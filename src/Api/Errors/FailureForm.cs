using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>
/// Answers a failure: its status, its headers and its body. The body is problem details, unless the endpoint's metadata
/// contains the form of another protocol.
/// </summary>
internal abstract class FailureForm
{
    public abstract string MediaType { get; }

    public abstract int StatusOf(Failure failure);

    public abstract byte[] BodyOf(Failure failure, string? activityId);

    /// <summary>Returns a code's name on the wire, such as <c>sql_error</c>.</summary>
    public static string NameOf(ProblemCode code) => JsonNamingPolicy.SnakeCaseLower.ConvertName(code.ToString());

    /// <summary>Sends the answer for a failure, in the form of the request's endpoint.</summary>
    public static async Task AnswerAsync(HttpContext http, Failure failure, string? activityId)
    {
        var form = http.GetEndpoint()?.Metadata.GetMetadata<FailureForm>() ?? ProblemAnswer.Instance;
        http.Response.StatusCode = form.StatusOf(failure);
        http.Response.ContentType = form.MediaType;
        RetryHeaders.Set(http.Response, ProblemTable.For(failure.Code).Retryable ? failure.RetryAfterSeconds : null);

        if (failure.Challenge is { } challenge)
            http.Response.Headers.WWWAuthenticate = challenge;

        var body = form.BodyOf(failure, activityId);
        http.Response.ContentLength = body.Length;
        // The write takes no cancellation token: Kestrel drops it if the caller has disconnected.
        await http.Response.BodyWriter.WriteAsync(body);
    }
}
