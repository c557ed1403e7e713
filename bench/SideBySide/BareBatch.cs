using System.Buffers;
using System.Data;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Gateway.SideBySide;

/// <summary>
/// The gateway's batch by hand: what Kestrel and Npgsql take of a point SELECT that is isolated as the gateway's is, and is answered
/// with as many bytes. Nothing is checked and nothing is rendered.
/// </summary>
internal static class BareBatch
{
    /// <summary>Starts it within this process, whose allocations are looked at.</summary>
    /// <param name="connectionString">For Npgsql.</param>
    /// <param name="sql">The statement, with one integer parameter.</param>
    /// <param name="answer">What is answered.</param>
    public static async Task<WebApplication> StartAsync(string connectionString, string sql, byte[] answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        // What the batch ends with cleans the session.
        var database = NpgsqlDataSource.Create($"{connectionString};No Reset On Close=true;Maximum Pool Size={Load.Connections}");
        var server = builder.Build();
        server.Lifetime.ApplicationStopped.Register(database.Dispose);
        server.MapPost(GatewayPeer.Query, http => AnswerAsync(http, database, sql, answer));
        await server.StartAsync();
        return server;
    }

    private static async Task AnswerAsync(HttpContext http, NpgsqlDataSource database, string sql, byte[] answer)
    {
        var id = await ReadParameterAsync(http);
        await using (var connection = await database.OpenConnectionAsync(http.RequestAborted))
        {
            await using var batch = new NpgsqlBatch(connection)
            {
                BatchCommands =
                {
                    new NpgsqlBatchCommand("BEGIN READ ONLY"),
                    new NpgsqlBatchCommand("SET LOCAL application_name TO 'gateway:bench/1'"),
                    new NpgsqlBatchCommand(sql) { Parameters = { new NpgsqlParameter<int> { TypedValue = id } } },
                    new NpgsqlBatchCommand("SHOW client_encoding"),
                    new NpgsqlBatchCommand("ROLLBACK"),
                    new NpgsqlBatchCommand("DISCARD ALL"),
                },
            };
            AskForText(batch, true);
            await using var reader = await batch.ExecuteReaderAsync(CommandBehavior.SequentialAccess, http.RequestAborted);
            var value = ArrayPool<byte>.Shared.Rent(4096);
            do
            {
                while (await reader.ReadAsync(http.RequestAborted))
                {
                    for (var column = 0; column < reader.FieldCount; column++)
                        reader.GetBytes(column, 0, value, 0, value.Length);
                }
            }
            while (await reader.NextResultAsync(http.RequestAborted));
            ArrayPool<byte>.Shared.Return(value);
        }
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = answer.Length;
        await http.Response.BodyWriter.WriteAsync(answer, http.RequestAborted);
    }

    private static async ValueTask<int> ReadParameterAsync(HttpContext http)
    {
        var body = ArrayPool<byte>.Shared.Rent(4096);
        try
        {
            var length = 0;
            while (await http.Request.Body.ReadAsync(body.AsMemory(length), http.RequestAborted) is var read and > 0)
                length += read;
            return Parameter(body.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(body);
        }
    }

    /// <summary>The only number in the request.</summary>
    private static int Parameter(ReadOnlySpan<byte> body)
    {
        var json = new Utf8JsonReader(body);
        while (json.Read())
        {
            if (json.TokenType == JsonTokenType.Number)
                return json.GetInt32();
        }
        throw new InvalidOperationException("The request has no parameter.");
    }

    /// <summary>As the gateway asks for them.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_AllResultTypesAreUnknown")]
    private static extern void AskForText(NpgsqlBatch batch, bool value);
}
