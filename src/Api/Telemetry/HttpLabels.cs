namespace Gateway.Api.Telemetry;

/// <summary>
/// An HTTP exchange in the words of OpenTelemetry's conventions, for the log, the metrics and the traces alike. Each but the status is
/// of a closed set: a caller may send any method and any path, of any length.
/// </summary>
/// <param name="Method"><c>_OTHER</c> for what is no method of HTTP's.</param>
/// <param name="Scheme"><c>http</c> or <c>https</c>.</param>
/// <param name="Route">Null where no endpoint's matches. Never the path, which holds whatever the caller put there.</param>
/// <param name="Status">The answer's.</param>
internal readonly record struct HttpLabels(string Method, string Scheme, string? Route, int Status)
{
    private const string OtherMethod = "_OTHER";

    private static readonly string[] Methods =
    [
        HttpMethods.Post, HttpMethods.Get, HttpMethods.Head, HttpMethods.Put, HttpMethods.Delete, HttpMethods.Options,
        HttpMethods.Patch, HttpMethods.Trace, HttpMethods.Connect,
    ];

    /// <summary>Of an exchange that is over: before that there is neither a route nor a status.</summary>
    public static HttpLabels Of(HttpContext http) => new(
        MethodOf(http.Request), http.Request.IsHttps ? "https" : "http", (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText,
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
