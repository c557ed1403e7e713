using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;

namespace Gateway.Api.Neon;

/// <summary>
/// Which web pages may call the endpoint from a browser: none, where no origin is configured. The rest of the gateway is for
/// workers, and takes no page's calls at all.
/// </summary>
internal static class SqlCors
{
    private static readonly string[] Shown =
    [
        SqlHeaders.IsolationLevel, SqlHeaders.ReadOnly, SqlHeaders.Deferrable, StatementEndpoints.IdempotentReplayed, "X-Should-Retry",
        "Retry-After", "Server-Timing",
    ];

    /// <summary>How long a browser need not ask again.</summary>
    private static readonly TimeSpan PreflightAge = TimeSpan.FromHours(1);

    public static void UseSqlCors(this WebApplication gateway)
    {
        if (IsOn(gateway.Services))
            gateway.UseCors();
    }

    public static RouteHandlerBuilder AllowOrigins(this RouteHandlerBuilder endpoint, IServiceProvider services)
    {
        // Without the middleware an endpoint that asks for it answers nothing.
        if (!IsOn(services))
            return endpoint;
        var origins = services.GetRequiredService<GatewayOptions>().Sql.AllowedOrigins;
        return endpoint.RequireCors(policy => policy
            .WithOrigins(origins).AllowAnyHeader().WithMethods(HttpMethods.Post).WithExposedHeaders(Shown)
            .SetPreflightMaxAge(PreflightAge));
    }

    private static bool IsOn(IServiceProvider services) => services.GetRequiredService<GatewayOptions>().Sql.AllowedOrigins.Length > 0;
}
