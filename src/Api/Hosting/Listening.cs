using System.Net.Sockets;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Microsoft.AspNetCore.Connections;

namespace Gateway.Api.Hosting;

/// <summary>How the gateway begins to listen, and what it says then.</summary>
internal static class Listening
{
    private const string PortsSetting = "HTTP_PORTS";

    /// <summary>
    /// Where nothing says where to listen, on this machine's port 8080. It can't stand in appsettings.json, which comes after
    /// ASPNETCORE_URLS and would take its place.
    /// </summary>
    public static void ListenByDefault(this ConfigurationManager settings)
    {
        if (FindUrls(settings).Length == 0)
            settings[WebHostDefaults.ServerUrlsKey] = "http://localhost:8080";
    }

    /// <summary>The addresses that are configured, as Kestrel finds them: ports count where there are no addresses.</summary>
    public static string[] FindUrls(IConfiguration settings) =>
        Words(settings[WebHostDefaults.ServerUrlsKey]) is { Length: > 0 } urls
            ? urls
            : [.. Words(settings[PortsSetting]).Select(port => $"http://*:{port}")];

    /// <exception cref="StartupException">An address is taken, or is none of this machine's.</exception>
    public static async Task ListenAsync(this WebApplication gateway)
    {
        try
        {
            await gateway.StartAsync();
        }
        catch (OperationCanceledException error) when (gateway.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw new StartupException("The gateway was told to stop before it listened.", error);
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
    public static void Announce(this WebApplication gateway, CallerRegistry callers)
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

    private static string[] Words(string? list) =>
        list?.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];

    private static string Addresses(WebApplication gateway) =>
        gateway.Configuration["Urls"] ?? string.Join(", ", gateway.Urls);
}
