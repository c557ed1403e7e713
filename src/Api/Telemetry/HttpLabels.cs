namespace Gateway.Api.Telemetry;

/// <summary>A request's method from a closed set: a caller may send any word, of any length.</summary>
internal static class HttpMethodName
{
    private const string Other = "_OTHER";

    private static readonly string[] Known =
    [
        HttpMethods.Post, HttpMethods.Get, HttpMethods.Head, HttpMethods.Put, HttpMethods.Delete, HttpMethods.Options,
        HttpMethods.Patch, HttpMethods.Trace, HttpMethods.Connect,
    ];

    /// <summary>As OpenTelemetry's conventions have it: <c>_OTHER</c> for what is no method of HTTP's.</summary>
    public static string Of(HttpRequest request)
    {
        foreach (var known in Known)
        {
            if (known == request.Method)
                return known;
        }
        return Other;
    }
}
