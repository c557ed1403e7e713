using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Api.Tests.Endpoints;

namespace Gateway.Api.PostgresTests.Fuzzing;

/// <summary>Checks an answer to any request against the contract.</summary>
internal static class FuzzedAnswer
{
    private const int LargestProblem = 2048;

    // A document creates its nodes when they are first read.
    private static readonly Lock OneAtATime = new();

    private static readonly HashSet<string> Codes =
        [.. ContractSchema.Of("Problem").Property("code")["enum"]!.AsArray().Select(code => (string)code!)];

    /// <returns>The fault of the answer; null if there is none.</returns>
    public static string? FaultOf(FuzzedRequest request, HttpResponseMessage answer, byte[] body)
    {
        var text = Encoding.UTF8.GetString(body);
        var media = answer.Content.Headers.ContentType?.MediaType;
        if ((int)answer.StatusCode == 500)
            return "It is a fault of the gateway's own";
        // Requests that the server does not accept as HTTP, such as a path with %00, do not reach the gateway.
        if (answer is { StatusCode: HttpStatusCode.BadRequest, Content.Headers.ContentLength: 0, Headers.ConnectionClose: true })
            return null;
        if ((int)answer.StatusCode is >= 300 and < 400)
            return request.Path.StartsWith("/swagger", StringComparison.Ordinal) ? null : "It leads elsewhere";
        // Only an answer to HEAD has no body.
        if (request.Method == "HEAD")
            return null;
        if (answer.Content.Headers.ContentEncoding.Count > 0)
            return request.Headers.Any(header => header.Name == "Accept-Encoding") ? null : "It is compressed, which nobody asked for";
        try
        {
            lock (OneAtATime)
            {
                var isSql = request is { Path: "/sql" or "/sql/", Method: "POST" };
                return answer.IsSuccessStatusCode
                    ? isSql ? FaultOfSql(JsonNode.Parse(text)) : FaultOfSuccess(request, answer.StatusCode, media, text)
                    : FaultOfRetry(answer) ?? (isSql ? FaultOfSqlError(text) : FaultOfProblem(request, answer, media, text, body.Length));
            }
        }
        catch (JsonException error)
        {
            return $"Its JSON is none: {error.Message}";
        }
    }

    private static string? FaultOfSuccess(FuzzedRequest request, HttpStatusCode status, string? media, string text)
    {
        if (Operation(request) is not { } operation)
            return null;
        if (operation["responses"]![((int)status).ToString()]?["content"]?[media ?? ""] is not { } documented)
            return $"{(int)status} {media} is not documented";
        if (media == "application/x-ndjson")
        {
            var lines = text.TrimEnd('\n').Split('\n').Select(line => JsonNode.Parse(line)!).ToArray();
            return (lines[0] as JsonObject)?.ContainsKey("columns") == true && lines[^1] is JsonObject last
                && (last.ContainsKey("end") || last.ContainsKey("error"))
                ? null
                : "The stream has no end";
        }
        if (media != "application/json")
            return null;
        var faults = new ContractSchema(documented["schema"]!).Faults(JsonNode.Parse(text));
        if (request.Body is { } body && Encoding.UTF8.GetString(body).Contains(FuzzedStatements.Json(FuzzedStatements.Probe), StringComparison.Ordinal)
            && request.Path == "/v1/query" && text.Contains("\"mark\":", StringComparison.Ordinal)
            && !text.Replace("\"0\"", "0", StringComparison.Ordinal).Contains($"\"rows\":{FuzzedStatements.CleanProbe}", StringComparison.Ordinal))
        {
            return "An earlier request shows";
        }
        return faults.Count == 0 ? null : $"It is not as documented at {string.Join(", ", faults)}";
    }

    private static string? FaultOfSql(JsonNode? answer)
    {
        var results = answer!["results"] is JsonArray several ? several.Select(result => result!) : [answer];
        return results.All(result => result["rows"] is JsonArray && result["fields"] is JsonArray) ? null : "It has no rows";
    }

    private static string? FaultOfSqlError(string text)
    {
        var error = JsonNode.Parse(text)!;
        var code = (string?)error["code"];
        if (code == "internal")
            return "It is a fault of the gateway's own";
        return string.IsNullOrEmpty((string?)error["message"]) || !(Codes.Contains(code!) || code!.Length == 5) ? "It is no error of the protocol" : null;
    }

    private static string? FaultOfRetry(HttpResponseMessage answer)
    {
        var said = answer.Headers.TryGetValues("X-Should-Retry", out var values) ? string.Join(',', values) : null;
        var after = answer.Headers.RetryAfter?.Delta?.TotalSeconds;
        return said switch
        {
            "true" => after is >= 1 and <= 60 ? null : $"Retry-After is {answer.Headers.RetryAfter}",
            "false" => answer.Headers.RetryAfter is null ? null : "It is not to be sent again, and says when",
            _ => $"X-Should-Retry is {said ?? "missing"}",
        };
    }

    private static string? FaultOfProblem(FuzzedRequest request, HttpResponseMessage answer, string? media, string text, int length)
    {
        if (request.Path.StartsWith("/healthz/ready", StringComparison.Ordinal) && media == "application/json")
            return "The database is gone";
        if (media != "application/problem+json")
            return $"It is {media}, and no problem";
        if (length > LargestProblem)
            return $"It has {length} bytes";
        var problem = JsonNode.Parse(text)!;
        if (ContractSchema.Of("Problem").Faults(problem) is { Count: > 0 } faults)
            return $"It is not as documented at {string.Join(", ", faults)}";
        var (code, status) = ((string)problem["code"]!, (int)answer.StatusCode);
        if ((int)problem["status"]! != status || (string)problem["type"]! != $"/problems/{code}")
            return "It contradicts itself";
        if ((bool)problem["retryable"]! != (status is 408 or 409 or 429 or >= 500) || (bool)problem["retryable"]! != (answer.Headers.RetryAfter is not null))
            return "It contradicts its status";
        if (Operation(request) is not { } operation)
            return code is "endpoint_not_found" or "method_not_allowed" or "unauthenticated" or "forbidden" ? null : $"{code} where there is no endpoint";
        var documented = operation["responses"]![status.ToString()]?["content"]?["application/problem+json"]?["examples"]?[code];
        return documented is null ? $"{status} {code} is not documented for {(string?)operation["operationId"]}" : null;
    }

    /// <summary>Returns the operation in the document; null if there is none.</summary>
    private static JsonNode? Operation(FuzzedRequest request)
    {
        // The server accepts a path in any case, and with a slash at its end.
        var path = request.Path.Split('?')[0].TrimEnd('/').ToLowerInvariant().Split('/');
        // A path with ".." leads to no endpoint; an encoded slash does not separate segments.
        if (path.Any(part => part.Replace("%2e", ".", StringComparison.Ordinal) == ".."))
            return null;
        foreach (var (template, item) in Generated.Document["paths"]!.AsObject())
        {
            var parts = template.Split('/');
            if (parts.Length == path.Length
                && parts.Zip(path).All(part => part.First.Equals(part.Second, StringComparison.OrdinalIgnoreCase) || (part.First.StartsWith('{') && part.Second.Length > 0)))
            {
                return item![request.Method.ToLowerInvariant()];
            }
        }
        return null;
    }
}
