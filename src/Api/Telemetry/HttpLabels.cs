namespace Gateway.Api.Telemetry;

/// <summary>
/// Represents an HTTP request and its answer by OpenTelemetry's conventions, for the log, the metrics and the traces.
/// The values of all labels but the status are closed sets, because a caller may send any method and any path, of any
/// length.
/// </summary>
/// <param name="Method">The method; <c>_OTHER</c> if it is not one of HTTP's.</param>
/// <param name="Scheme"><c>http</c> or <c>https</c>.</param>
/// <param name="Route">
/// The endpoint's route; null if no endpoint matches. It is never the path, which contains any text that the caller put
/// there.
/// </param>
/// <param name="Status">The status of the answer.</param>
internal readonly record struct HttpLabels(string Method, string Scheme, string? Route, int Status)
{
    private const string OtherMethod = "_OTHER";

    private static readonly string[] Methods =
    [
        HttpMethods.Post, HttpMethods.Get, HttpMethods.Head, HttpMethods.Put, HttpMethods.Delete, HttpMethods.Options,
        HttpMethods.Patch, HttpMethods.Trace, HttpMethods.Connect,
    ];

    /// <summary>Returns the labels of an answered request. Earlier, it has neither a route nor a status.</summary>
    public static HttpLabels Of(HttpContext http) => new(
        MethodOf(http.Request),
        http.Request.IsHttps ? "https" : "http",
        (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText,
        http.Response.StatusCode);

    private static string MethodOf(HttpRequest request)
    {
        foreach (var known in Methods)
        {
            if (known == request.Method)
                return known;
        }
        return OtherMethod;
    }
}
