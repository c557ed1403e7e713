using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>Makes a request of each kind that needs a right, without its credential.</summary>
internal static class CallerRequest
{
    /// <summary>A statement that only callers with the right to write may run.</summary>
    public const string Write = "INSERT INTO orders (user_id, total) VALUES (1, 1) RETURNING id";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <param name="endpoint">
    /// <c>query</c>, <c>execute</c>, <c>transaction</c>, <c>readOnly</c> (a transaction that only reads), <c>find</c>
    /// or <c>cancel</c>.
    /// </param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="id">The activity ID.</param>
    public static HttpRequestMessage Of(string endpoint, string connection, string id)
    {
        object? body = endpoint switch
        {
            "query" => new { activityId = id, connection, sql = "SELECT 1" },
            "execute" => new { activityId = id, connection, sql = Write },
            "transaction" => new { activityId = id, connection, statements = new[] { new { sql = Write } } },
            "readOnly" => new { activityId = id, connection, readOnly = true, statements = new[] { new { sql = "SELECT 1" } } },
            _ => null,
        };
        var activity = $"/v1/activities/{Uri.EscapeDataString(id)}";
        return endpoint switch
        {
            "find" => new HttpRequestMessage(HttpMethod.Get, $"{activity}?connection={connection}"),
            "cancel" => new HttpRequestMessage(HttpMethod.Post, $"{activity}/cancel?connection={connection}"),
            _ => new HttpRequestMessage(HttpMethod.Post, $"/v1/{(endpoint == "readOnly" ? "transaction" : endpoint)}")
            {
                Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json"),
            },
        };
    }

    /// <summary>Makes a request of Neon's protocol.</summary>
    /// <param name="connectionString">The connection string; empty for none.</param>
    /// <param name="sql">Its statement.</param>
    public static HttpRequestMessage OfSql(string connectionString, string sql)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/sql")
        {
            Content = new StringContent(JsonSerializer.Serialize(new { query = sql })),
        };
        if (connectionString.Length > 0)
            request.Headers.TryAddWithoutValidation("Neon-Connection-String", connectionString);
        return request;
    }

    /// <summary>Sends a request that a client library would correct or refuse.</summary>
    /// <returns>The answer's first line.</returns>
    public static async Task<string> SendHeadAsync(Uri address, string headers, string body = "")
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(
            $"POST /v1/query HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{headers}\r\n{body}"));
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return (await reader.ReadLineAsync().WaitAsync(Patience))!;
    }
}
