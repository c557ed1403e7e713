using Gateway.Api.Connections;
using Gateway.Api.Endpoints;

namespace Gateway.Api.SqlOverHttp;

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

    public static void UseSqlCors(this WebApplication gateway)
    {
        if (IsOn(gateway.Services))
            gateway.UseCors();
    }

    public static void AllowOrigins(this IEndpointConventionBuilder endpoint, IServiceProvider services)
    {
        if (!IsOn(services))
            return;
        var origins = services.GetRequiredService<GatewayOptions>().Sql.AllowedOrigins;
        endpoint.RequireCors(policy => policy.WithOrigins(origins).AllowAnyHeader().WithMethods(HttpMethods.Post).WithExposedHeaders(Shown));
    }

    private static bool IsOn(IServiceProvider services) => services.GetRequiredService<GatewayOptions>().Sql.AllowedOrigins.Length > 0;
}
