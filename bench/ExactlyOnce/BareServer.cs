using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Gateway.ExactlyOnce;

/// <summary>
/// What there is to gain by promising nothing: ASP.NET Core and Npgsql as they come. No transaction of its own, no
/// budget, no identity of a request, one statement that is written down.
/// </summary>
internal static class BareServer
{
    /// <summary>The argument that makes this program the bare server; --urls follows it.</summary>
    public const string Argument = "bare";

    /// <summary>The environment's variable that has Npgsql's connection string.</summary>
    public const string ConnectionVariable = "BARE_CONNECTION";

    public static async Task ServeAsync(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Logging.ClearProviders();
        await using var database = NpgsqlDataSource.Create(Environment.GetEnvironmentVariable(ConnectionVariable)!);
        await using var server = builder.Build();
        server.MapPost("/", http => AnswerAsync(http, database));
        await server.RunAsync();
    }

    private static async Task AnswerAsync(HttpContext http, NpgsqlDataSource database)
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
