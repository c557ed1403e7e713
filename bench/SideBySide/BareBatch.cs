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
/// Sends the gateway's batch by hand. It shows the share of Kestrel and Npgsql in a point SELECT that has the same
/// isolation as in the gateway, and an answer of the same length. It checks nothing and renders nothing. Npgsql
/// prepares all commands, BEGIN and ROLLBACK too.
/// </summary>
internal static class BareBatch
{
    /// <summary>Starts the server in this process, because the process's allocations are measured.</summary>
    /// <param name="connectionString">Npgsql's connection string.</param>
    /// <param name="sql">The statement, with one integer parameter.</param>
    /// <param name="answer">The answer to every request.</param>
    public static async Task<WebApplication> StartAsync(string connectionString, string sql, byte[] answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        // No reset: the end of the batch cleans the session.
        var database = NpgsqlDataSource.Create(
            $"{connectionString};No Reset On Close=true;Maximum Pool Size={Wrk.Clients};"
            + "Max Auto Prepare=10;Auto Prepare Min Usages=2");
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
                    new NpgsqlBatchCommand("SELECT set_config('application_name', $1, true)")
                    {
                        Parameters = { new NpgsqlParameter<string> { TypedValue = "gateway:bench/1" } },
                    },
                    new NpgsqlBatchCommand(sql) { Parameters = { new NpgsqlParameter<int> { TypedValue = id } } },
                    new NpgsqlBatchCommand("SELECT current_setting('client_encoding'), pg_advisory_unlock_all()"),
                    new NpgsqlBatchCommand("ROLLBACK"),
                },
            };
            AskForText(batch, true);
            await using var reader = await batch.ExecuteReaderAsync(
                CommandBehavior.SequentialAccess, http.RequestAborted);
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

    /// <summary>Returns the only number in the request.</summary>
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

    /// <summary>Makes the results come as text, as in the gateway.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_AllResultTypesAreUnknown")]
    private static extern void AskForText(NpgsqlBatch batch, bool value);
}
