using System.Net.Sockets;
using Gateway.Api.Admission;
using Gateway.Api.Connections;
using Microsoft.AspNetCore.Connections;

namespace Gateway.Api.Endpoints;

/// <summary>How the gateway begins to listen, and what it says then.</summary>
internal static class Listening
{
    /// <exception cref="StartupException">An address is taken, or is none of this machine's.</exception>
    public static async Task ListenAsync(this WebApplication gateway)
    {
        try
        {
            await gateway.StartAsync();
        }
        catch (IOException error) when (error.InnerException is AddressInUseException)
        {
            throw new StartupException(
                $"{Addresses(gateway)} is in use by another process; choose another port with --urls or ASPNETCORE_URLS.", error);
        }
        catch (SocketException error)
        {
            throw new StartupException(
                $"{Addresses(gateway)} can't be listened on ({error.SocketErrorCode}); choose another address with --urls or ASPNETCORE_URLS.", error);
        }
        catch (Exception error) when (error is FormatException or InvalidOperationException or ArgumentException)
        {
            throw new StartupException($"--urls or ASPNETCORE_URLS is not valid: {error.Message}", error);
        }
    }

    /// <summary>Says where things are; in Development, with a line to paste.</summary>
    public static void Announce(this WebApplication gateway, Callers callers)
    {
        var address = gateway.Urls.First();
        var text = $"""
            The gateway listens on {string.Join(", ", gateway.Urls)}

            """;
        if (gateway.Environment.IsDevelopment())
        {
            var key = callers.AreConfigured ? " -H 'Authorization: Bearer KEY'" : "";
            text += $$"""

                  Swagger UI:  {{address}}/swagger
                  Try:         curl -s {{address}}/v1/query -H 'Content-Type: application/json'{{key}} -d '{"activityId": "demo/1", "sql": "SELECT * FROM users"}'

                """;
        }
        Console.Out.Write(text);
    }

    private static string Addresses(WebApplication gateway) =>
        gateway.Configuration["Urls"] ?? string.Join(", ", gateway.Urls);
}
