using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Clients;

/// <summary>Sends requests of Neon's protocol without its driver.</summary>
internal static class NeonCaller
{
    public const string ConnectionString = "Neon-Connection-String";
    public const string Default = "postgresql://anyone:anything@any.host/default";

    /// <summary>The exact fields of an error's body.</summary>
    public static readonly string[] ErrorFields =
    [
        "message", "code", "detail", "hint", "position", "internalPosition", "internalQuery", "severity", "where", "table", "column", "schema",
        "dataType", "constraint", "file", "line", "routine",
    ];

    public static Task<Answer> SqlAsync(this GatewayClient gateway, object body, params (string Name, string Value)[] headers) =>
        gateway.SqlAsync(new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body)), headers);

    /// <summary>Sends a body that a serializer would not write.</summary>
    public static Task<Answer> SqlAsync(this GatewayClient gateway, string body, params (string Name, string Value)[] headers) =>
        gateway.SqlAsync(new ByteArrayContent(Encoding.UTF8.GetBytes(body)), headers);

    /// <param name="gateway">The gateway.</param>
    /// <param name="content">The body.</param>
    /// <param name="headers">
    /// Additional headers; without a connection string, that of the connection default is sent.
    /// </param>
    public static Task<Answer> SqlAsync(this GatewayClient gateway, HttpContent content, params (string Name, string Value)[] headers)
    {
        var hasConnectionString = headers.Any(header => header.Name.Equals(ConnectionString, StringComparison.OrdinalIgnoreCase));
        return gateway.SendToAsync("/sql", content, hasConnectionString ? headers : [.. headers, (ConnectionString, Default)]);
    }

    /// <summary>Returns the error of an answer, after the checks that apply to every error.</summary>
    public static JsonElement ExpectError(this Answer answer, int status, string code)
    {
        Assert.True((int)answer.Status == status, $"{status} {code} was expected, and {(int)answer.Status} came: {answer.Text}");
        var error = answer.Json;
        Assert.Equal("application/json", answer.MediaType);
        Assert.Equal(ErrorFields.Order(), error.EnumerateObject().Select(field => field.Name).Order());
        Assert.Equal(code, error.GetProperty("code").GetString());
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
        Assert.All(error.EnumerateObject(), field => Assert.True(field.Value.ValueKind is JsonValueKind.String or JsonValueKind.Null, answer.Text));
        Assert.Contains(answer.Headers["X-Should-Retry"], (string[])["true", "false"]);
        Assert.Equal(answer.Headers["X-Should-Retry"] == "true", answer.Headers.ContainsKey("Retry-After"));
        return error;
    }
}
