using System.Data.Common;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Gateway.Streams;

/// <summary>Answers with a page, written by hand for the known types of the columns.</summary>
internal static class BarePage
{
    /// <summary>The same options as the gateway's.</summary>
    private static readonly JsonWriterOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    private static readonly JsonEncodedText
        Id = JsonEncodedText.Encode("id"), Name = JsonEncodedText.Encode("name"), At = JsonEncodedText.Encode("at"),
        Amount = JsonEncodedText.Encode("amount"), Active = JsonEncodedText.Encode("active"),
        Detail = JsonEncodedText.Encode("detail");

    public static async Task AnswerAsync(HttpContext http, NpgsqlDataSource database)
    {
        var call = await JsonSerializer.DeserializeAsync<Call>(
            http.Request.Body, JsonSerializerOptions.Web, http.RequestAborted);

        await using var command = database.CreateCommand(StreamRows.PageSql);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = call!.After });
        await using var reader = await command.ExecuteReaderAsync(http.RequestAborted);

        http.Response.ContentType = "application/json; charset=utf-8";
        await using (var json = new Utf8JsonWriter(http.Response.BodyWriter, Options))
        {
            json.WriteStartObject();
            json.WriteStartArray("rows");
            while (await reader.ReadAsync(http.RequestAborted))
                WriteRow(json, reader);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }

    private static void WriteRow(Utf8JsonWriter json, DbDataReader row)
    {
        json.WriteStartObject();
        json.WriteNumber(Id, row.GetInt64(0));
        json.WriteString(Name, row.GetString(1));
        json.WriteString(At, row.GetDateTime(2));
        json.WriteNumber(Amount, row.GetDecimal(3));
        json.WriteBoolean(Active, row.GetBoolean(4));
        json.WritePropertyName(Detail);
        json.WriteRawValue(row.GetString(5), skipInputValidation: true);
        json.WriteEndObject();
    }

    private sealed record Call(long After);
}
