using System.Net;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Gateway.Api.Hosting;

/// <summary>
/// Makes the gateway serve this machine only. It must if no caller is configured: everybody who reaches it may then run
/// SQL.
/// </summary>
internal static class LoopbackOnly
{
    /// <summary>Checks each address before it is bound, whichever setting it comes from.</summary>
    public static void ServeLoopbackOnly(this WebApplicationBuilder builder) =>
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(Require));

    /// <summary>
    /// Refuses requests whose host is not a loopback name of this machine, if no caller is configured. The check comes
    /// before anything else of the request is read, on every address.
    /// </summary>
    public static void RequireLoopbackHost(this WebApplication gateway)
    {
        if (!gateway.Services.GetRequiredService<CallerRegistry>().AreConfigured)
            gateway.UseMiddleware<LoopbackHost>();
    }

    private static void Require(ListenOptions endpoint)
    {
        // A Unix socket has no IP address, and only this machine can reach it.
        if (endpoint.IPEndPoint is not { } address || IPAddress.IsLoopback(address.Address))
            return;
        throw new StartupException(
            $"{address} (--urls, ASPNETCORE_URLS or ASPNETCORE_HTTP_PORTS) is open to other machines, and no caller is "
            + "configured: make a key by the command `key new`, and set Gateway__Callers__NAME__Keys__0 to its hash "
            + "and Gateway__Callers__NAME__Connections__CONNECTION to read or write; "
            + "or listen on http://localhost:8080 or another loopback address.");
    }
}
