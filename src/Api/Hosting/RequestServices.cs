namespace Gateway.Api.Hosting;

/// <summary>
/// Gives every request the application's own services. By default ASP.NET Core makes a scope for each request that asks
/// for a service. The gateway has no scoped services, so the scope would only cost time and memory.
/// </summary>
internal static class RequestServices
{
    public static void UseServicesWithoutScope(this WebApplication gateway) => gateway.Use((http, next) =>
    {
        http.RequestServices = gateway.Services;
        return next(http);
    });
}
