using System.Net;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Gateway.Api.Hosting;

/// <summary>
/// With no caller configured anybody who reaches the gateway may run SQL, so it serves this machine only.
/// </summary>
internal static class LoopbackOnly
{
    /// <summary>Looks at each endpoint before it is bound, whichever setting it comes from.</summary>
    public static void ServeLoopbackOnly(this WebApplicationBuilder builder) =>
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(Require));

    /// <summary>
    /// Refuses what was not sent to a name of this machine's, while no caller is configured: on each endpoint, before
    /// anything of it is looked at.
    /// </summary>
    public static void RequireLoopbackHost(this WebApplication gateway)
    {
        if (!gateway.Services.GetRequiredService<CallerRegistry>().AreConfigured)
            gateway.UseMiddleware<LoopbackHost>();
    }

    private static void Require(ListenOptions endpoint)
    {
        // A Unix socket has none, and is this machine's too.
        if (endpoint.IPEndPoint is not { } address || IPAddress.IsLoopback(address.Address))
            return;
        throw new StartupException(
            $"{address} (--urls, ASPNETCORE_URLS or ASPNETCORE_HTTP_PORTS) is open to other machines, and no caller is configured: "
            + "make a key by the command `key new`, and set Gateway__Callers__NAME__Keys__0 to its hash and "
            + "Gateway__Callers__NAME__Connections__CONNECTION to read or write; "
            + "or listen on http://localhost:8080 or another loopback address.");
    }
}
