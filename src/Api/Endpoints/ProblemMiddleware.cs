using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Api.Telemetry;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>Turns every failure into an answer.</summary>
internal sealed partial class ProblemMiddleware(
    RequestDelegate next, GatewayOptions options, ILogger<ProblemMiddleware> log)
{
    public async Task InvokeAsync(HttpContext http)
    {
        try
        {
            await next(http);
            if (!http.Response.HasStarted && Unrouted(http) is { } unrouted)
                await AnswerAsync(http, unrouted);
        }
        catch (Failure failure)
        {
            await AnswerAsync(http, failure);
        }
        catch (OperationCanceledException error)
            when (error is CallerLeftException || http.RequestAborted.IsCancellationRequested)
        {
            // The caller has disconnected, so there is no answer.
            RequestRecord.Of(http).CallerLeft = true;
            http.Abort();
        }
        catch (BadHttpRequestException error)
        {
            await AnswerAsync(http, error.StatusCode switch
            {
                StatusCodes.Status413PayloadTooLarge => RequestBody.TooLarge(options.BodyLimitBytes),
                // The body arrives more slowly than the server allows.
                StatusCodes.Status408RequestTimeout => RequestBody.TooSlow(error),
                _ => Failure.Invalid([new RequestFault("", error.Message)]),
            });
        }
        catch (Exception error)
        {
            Fault(error);
            await AnswerAsync(http, new Failure(
                ProblemCode.Internal,
                "The gateway has an internal error. Its log has the details under the trace ID.",
                error)
            { Committed = Committed.Unknown });
        }
    }

    /// <summary>Sends the answer for a failure. An answer that has begun is aborted.</summary>
    public static async Task AnswerAsync(HttpContext http, Failure failure)
    {
        var record = RequestRecord.Of(http);
        record.Code = FailureForm.NameOf(failure.Code);
        if (http.Response.HasStarted)
        {
            // Sent bytes can't be taken back. The abort shows that the answer is incomplete.
            http.Abort();
            return;
        }
        var allow = http.Response.Headers.Allow;
        http.Response.Clear();
        if (failure.Code == ProblemCode.MethodNotAllowed)
            http.Response.Headers.Allow = allow;
        record.WriteHeaders(http.Response);
        await FailureForm.AnswerAsync(http, failure, record.ActivityId);
    }

    private static Failure? Unrouted(HttpContext http) => http.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => new Failure(
            ProblemCode.EndpointNotFound, "No endpoint has that path; /swagger lists those that there are."),
        StatusCodes.Status405MethodNotAllowed => new Failure(
            ProblemCode.MethodNotAllowed,
            $"The endpoint takes {http.Response.Headers.Allow}, not {http.Request.Method}."),
        _ => null,
    };

    [LoggerMessage(10, LogLevel.Error, "A request failed with an internal error")]
    private partial void Fault(Exception error);
}
