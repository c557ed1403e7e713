using System.Text;

namespace Gateway.Api.PostgresTests.Fuzzing;

/// <summary>Represents a request that an attacker, or a bug, might send.</summary>
/// <param name="Method">Its method.</param>
/// <param name="Path">Its path and query, which are sent unchanged.</param>
/// <param name="Headers">Its headers, in order.</param>
/// <param name="Body">Its body; null if it has none.</param>
internal sealed record FuzzedRequest(string Method, string Path, IReadOnlyList<(string Name, string Value)> Headers, byte[]? Body)
{
    private const int LongestBody = 2000;

    public HttpRequestMessage ToMessage(Uri gateway)
    {
        // The path is sent unchanged; the gateway decodes it.
        var address = new Uri(
            gateway.GetLeftPart(UriPartial.Authority) + Path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var message = new HttpRequestMessage(new HttpMethod(Method), address);
        if (Body is not null)
            message.Content = new ByteArrayContent(Body);
        foreach (var (name, value) in Headers)
        {
            if (!message.Headers.TryAddWithoutValidation(name, value))
                message.Content?.Headers.TryAddWithoutValidation(name, value);
        }
        return message;
    }

    /// <summary>Returns a command that sends the request again; without the keys, which are new in each run.</summary>
    public override string ToString()
    {
        var command = new StringBuilder($"curl -si --path-as-is -X {Method} \"$GATEWAY\"{Quote(Path)}");
        foreach (var (name, value) in Headers)
            command.Append(' ').Append("-H ").Append(Quote($"{name}: {value}"));
        if (Body is null)
            return command.ToString();
        if (Body.All(b => b is >= 0x20 and < 0x7F) && Body.Length <= LongestBody)
            return command.Append(" --data-binary ").Append(Quote(Encoding.ASCII.GetString(Body))).ToString();
        var shown = Convert.ToBase64String(Body, 0, Math.Min(Body.Length, LongestBody));
        return command.Append($" --data-binary @<(base64 -d <<< {shown}) # {Body.Length} bytes").ToString();
    }

    private static string Quote(string text) => $"'{text.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
