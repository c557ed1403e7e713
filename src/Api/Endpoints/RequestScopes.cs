using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Api.Endpoints;

/// <summary>Every service lives as long as the gateway: a request that asks for one needs no scope of its own.</summary>
internal static class RequestScopes
{
    public static void UseNoScopes(this WebApplication gateway)
    {
        var services = new OwnServices(gateway.Services);
        gateway.Use(next => http =>
        {
            http.Features.Set<IServiceProvidersFeature>(services);
            return next(http);
        });
    }

    /// <summary>Those of the gateway, for all requests.</summary>
    private sealed class OwnServices(IServiceProvider services) : IServiceProvidersFeature
    {
        public IServiceProvider RequestServices
        {
            get => services;
            set => throw new NotSupportedException("All requests have the same services.");
        }
    }
}
