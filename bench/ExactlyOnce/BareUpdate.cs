using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Gateway.ExactlyOnce;

/// <summary>The update, as it is written by hand.</summary>
internal static class BareUpdate
{
    public static async Task AnswerAsync(HttpContext http, NpgsqlDataSource database)
    {
        var call = await JsonSerializer.DeserializeAsync<Call>(
            http.Request.Body, JsonSerializerOptions.Web, http.RequestAborted);

        await using var command = database.CreateCommand(Accounts.Update);
        foreach (var parameter in call!.Parameters)
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = parameter });
        var balance = (int)(await command.ExecuteScalarAsync(http.RequestAborted))!;

        var answer = JsonSerializer.SerializeToUtf8Bytes(new Balance(balance), JsonSerializerOptions.Web);
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = answer.Length;
        await http.Response.Body.WriteAsync(answer, http.RequestAborted);
    }

    private sealed record Call(string ActivityId, int[] Parameters);

    private sealed record Balance(int Abalance);
}
