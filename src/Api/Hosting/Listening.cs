using System.Net.Sockets;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Microsoft.AspNetCore.Connections;

namespace Gateway.Api.Hosting;

/// <summary>Starts to listen, and prints the addresses.</summary>
internal static class Listening
{
    private const string PortsSetting = "HTTP_PORTS";

    /// <summary>
    /// Sets the default address, this machine's port 8080, if no setting names an address. appsettings.json can't
    /// contain it, because that file overrides ASPNETCORE_URLS. Addresses replace ports: .NET's images set a port, and
    /// each start with an address would warn that it overrides the port.
    /// </summary>
    public static void ListenByDefault(this ConfigurationManager settings)
    {
        if (FindUrls(settings).Length == 0)
            settings[WebHostDefaults.ServerUrlsKey] = "http://localhost:8080";
        if (settings[WebHostDefaults.ServerUrlsKey] is { Length: > 0 } && settings[PortsSetting] is { Length: > 0 })
            settings[PortsSetting] = "";
    }

    /// <summary>
    /// Returns the configured addresses, as Kestrel finds them: ports count if there are no addresses.
    /// </summary>
    public static string[] FindUrls(IConfiguration settings) =>
        Words(settings[WebHostDefaults.ServerUrlsKey]) is { Length: > 0 } urls
            ? urls
            : [.. Words(settings[PortsSetting]).Select(port => $"http://*:{port}")];

    /// <summary>Starts the application.</summary>
    /// <exception cref="StartupException">
    /// An address is in use, is not one of this machine's, or is not valid; or the gateway was told to stop.
    /// </exception>
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
                $"{Addresses(gateway)} is in use by another process; choose another port with --urls or "
                + "ASPNETCORE_URLS.",
                error);
        }
        catch (SocketException error)
        {
            throw new StartupException(
                $"{Addresses(gateway)} can't be listened on ({error.SocketErrorCode}); choose another address with "
                + "--urls or ASPNETCORE_URLS.",
                error);
        }
        catch (Exception error) when (error is FormatException or InvalidOperationException or ArgumentException)
        {
            throw new StartupException($"--urls or ASPNETCORE_URLS is not valid: {error.Message}", error);
        }
    }

    /// <summary>Prints the addresses; in Development, also a request to paste.</summary>
    public static void Announce(this WebApplication gateway, CallerRegistry callers)
    {
        var address = gateway.Urls.First();
        var text = $"""
            The gateway listens on {string.Join(", ", gateway.Urls)}

            """;
        if (gateway.Environment.IsDevelopment())
        {
            var key = callers.AreConfigured ? " -H 'Authorization: Bearer KEY'" : "";
            const string Request = """{"activityId": "demo/1", "sql": "SELECT * FROM users"}""";
            text += $$"""

                  Swagger UI:  {{address}}/swagger
                  Try:         curl -s {{address}}/v1/query -H 'Content-Type: application/json'{{key}} -d '{{Request}}'

                """;
        }
        Console.Out.Write(text);
    }

    /// <summary>Returns the items of a list with semicolons.</summary>
    internal static string[] Words(string? list) =>
        list?.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];

    private static string Addresses(WebApplication gateway) =>
        gateway.Configuration["Urls"] ?? string.Join(", ", gateway.Urls);
}
