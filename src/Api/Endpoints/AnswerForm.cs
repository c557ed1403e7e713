using Microsoft.Net.Http.Headers;

namespace Gateway.Api.Endpoints;

/// <summary>The formats of a query's answer, which the header Accept chooses.</summary>
internal enum AnswerForm
{
    /// <summary><c>application/json</c>: complete, so that its status is always true.</summary>
    Json,

    /// <summary><c>application/x-ndjson</c>, streamed.</summary>
    Ndjson,

    /// <summary><c>text/csv</c>, streamed.</summary>
    Csv,
}

/// <summary>The media types of streams, and the choice between the formats.</summary>
internal static class AnswerForms
{
    public const string Ndjson = "application/x-ndjson";
    public const string Csv = "text/csv";

    /// <summary>Returns the available format that the caller prefers; JSON if it accepts none of them.</summary>
    public static AnswerForm Choose(HttpRequest request)
    {
        // Nearly all requests have one of these values, so the list need not be parsed.
        var accept = request.Headers.Accept;
        if (accept.Count == 0 || (accept.Count == 1 && accept[0] is "*/*" or "application/json"))
            return AnswerForm.Json;

        foreach (var accepted in request.GetTypedHeaders().Accept.OrderByDescending(type => type.Quality ?? 1))
        {
            if (accepted.Quality == 0)
                continue;
            if (IsNamed(accepted, Ndjson))
                return AnswerForm.Ndjson;
            if (IsNamed(accepted, Csv))
                return AnswerForm.Csv;
            if (accepted.MatchesMediaType("application/json"))
                return AnswerForm.Json;
        }
        return AnswerForm.Json;
    }

    private static bool IsNamed(MediaTypeHeaderValue accepted, string type) =>
        accepted.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase);
}
