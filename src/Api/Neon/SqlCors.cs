using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;

namespace Gateway.Api.Neon;

/// <summary>
/// Allows web pages of the configured origins to call the endpoint from a browser. By default there are none. Other
/// endpoints are for workers, and allow no pages.
/// </summary>
internal static class SqlCors
{
    private static readonly string[] Shown =
    [
        SqlHeaders.IsolationLevel, SqlHeaders.ReadOnly, SqlHeaders.Deferrable,
        StatementEndpoints.IdempotentReplayed, StatementEndpoints.Lsn, "X-Should-Retry", "Retry-After", "Server-Timing",
    ];

    /// <summary>The time that a browser caches the preflight answer.</summary>
    private static readonly TimeSpan PreflightAge = TimeSpan.FromHours(1);

    public static void UseSqlCors(this WebApplication gateway)
    {
        if (IsOn(gateway.Services))
            gateway.UseCors();
    }

    public static RouteHandlerBuilder AllowOrigins(this RouteHandlerBuilder endpoint, IServiceProvider services)
    {
        // An endpoint that requires CORS fails without the middleware.
        if (!IsOn(services))
            return endpoint;
        var origins = services.GetRequiredService<GatewayOptions>().Sql.AllowedOrigins;
        return endpoint.RequireCors(policy => policy
            .WithOrigins(origins).AllowAnyHeader().WithMethods(HttpMethods.Post).WithExposedHeaders(Shown)
            .SetPreflightMaxAge(PreflightAge));
    }

    private static bool IsOn(IServiceProvider services) =>
        services.GetRequiredService<GatewayOptions>().Sql.AllowedOrigins.Length > 0;
}
