using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Gateway.SideBySide;

/// <summary>Contains handlers for the works, written by hand.</summary>
internal static class BareHandlers
{
    /// <summary>The number of bytes of a stream that are sent at a time.</summary>
    private const int ChunkLength = 65536;

    public static IEnumerable<(string Path, Func<HttpContext, NpgsqlDataSource, Task> Answer)> All =>
    [
        (Path(WorkKind.PointSelect), (http, database) => ReadAsync(http, database, Accounts.PointSelect)),
        (Path(WorkKind.Page), (http, database) => ReadAsync(http, database, Accounts.PageSelect)),
        (Path(WorkKind.Update), UpdateAsync),
        (Path(WorkKind.Transaction), TransactAsync),
        (Path(WorkKind.Stream), StreamAsync),
    ];

    private static async Task ReadAsync(HttpContext http, NpgsqlDataSource database, string sql)
    {
        var call = await ReadCallAsync(http);
        await using var command = database.CreateCommand(sql);
        AddParameters(command, call.Parameters);
        await using var reader = await command.ExecuteReaderAsync(http.RequestAborted);
        var rows = new List<Account>();
        while (await reader.ReadAsync(http.RequestAborted))
            rows.Add(Account.Of(reader));
        await WriteAsync(http, new Rows<Account>(rows));
    }

    private static async Task UpdateAsync(HttpContext http, NpgsqlDataSource database)
    {
        var call = await ReadCallAsync(http);
        await using var command = database.CreateCommand(Accounts.Update);
        AddParameters(command, call.Parameters);
        var balance = (int)(await command.ExecuteScalarAsync(http.RequestAborted))!;
        await WriteAsync(http, new Rows<Balance>([new(balance)]));
    }

    private static async Task TransactAsync(HttpContext http, NpgsqlDataSource database)
    {
        var call = await ReadCallAsync(http);
        var (delta, account) = (call.Parameters[0], call.Parameters[1]);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        await using var transaction = await connection.BeginTransactionAsync(http.RequestAborted);

        await using var update = new NpgsqlCommand(Accounts.Update, connection, transaction);
        AddParameters(update, delta, account);
        await update.ExecuteScalarAsync(http.RequestAborted);

        Holder holder;
        await using var select = new NpgsqlCommand(Accounts.SelectBalance, connection, transaction);
        AddParameters(select, account);
        await using (var reader = await select.ExecuteReaderAsync(http.RequestAborted))
        {
            await reader.ReadAsync(http.RequestAborted);
            holder = new Holder(reader.GetInt32(0), reader.GetInt32(1), reader.GetInt32(2));
        }

        await using var insert = new NpgsqlCommand(Accounts.InsertHistory, connection, transaction);
        AddParameters(insert, account, delta);
        await insert.ExecuteNonQueryAsync(http.RequestAborted);

        await transaction.CommitAsync(http.RequestAborted);
        await WriteAsync(http, new Rows<Holder>([holder]));
    }

    private static async Task StreamAsync(HttpContext http, NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand(Accounts.StreamSelect);
        await using var reader = await command.ExecuteReaderAsync(http.RequestAborted);
        http.Response.ContentType = "application/x-ndjson";
        var body = http.Response.BodyWriter;
        await using var json = new Utf8JsonWriter(body);
        while (await reader.ReadAsync(http.RequestAborted))
        {
            JsonSerializer.Serialize(json, Account.Of(reader), JsonSerializerOptions.Web);
            json.Flush();
            json.Reset();
            body.Write("\n"u8);
            if (body.UnflushedBytes >= ChunkLength)
                await body.FlushAsync(http.RequestAborted);
        }
        await body.FlushAsync(http.RequestAborted);
    }

    private static string Path(WorkKind work) => $"/{Work.Of(work).Name}";

    private static async Task<Call> ReadCallAsync(HttpContext http) =>
        (await JsonSerializer.DeserializeAsync<Call>(
            http.Request.Body, JsonSerializerOptions.Web, http.RequestAborted))!;

    private static void AddParameters(NpgsqlCommand command, params IEnumerable<int> parameters)
    {
        foreach (var parameter in parameters)
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = parameter });
    }

    private static async Task WriteAsync<TRow>(HttpContext http, Rows<TRow> answer)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(answer, JsonSerializerOptions.Web);
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = body.Length;
        await http.Response.Body.WriteAsync(body, http.RequestAborted);
    }

    private sealed record Call(int[] Parameters);

    private sealed record Rows<TRow>([property: JsonPropertyName("rows")] IReadOnlyList<TRow> All);

    private sealed record Account(int Aid, int Bid, int Abalance, string Filler)
    {
        public static Account Of(NpgsqlDataReader row) =>
            new(row.GetInt32(0), row.GetInt32(1), row.GetInt32(2), row.GetString(3));
    }

    private sealed record Holder(int Aid, int Bid, int Abalance);

    private sealed record Balance(int Abalance);
}
