namespace Gateway.Client;

/// <summary>Represents a request, which may be sent several times.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">The path, relative to the gateway's address.</param>
/// <param name="TimeoutMs">The timeout of the request in the gateway.</param>
/// <param name="FirstAttempt">The number of the first attempt.</param>
/// <param name="Writes">Whether it may write.</param>
/// <param name="Body">Returns the JSON of an attempt, by its number; null if the request has no body.</param>
internal sealed record Call(
    HttpMethod Method, string Path, int TimeoutMs, int FirstAttempt, bool Writes, Func<int, byte[]>? Body);
