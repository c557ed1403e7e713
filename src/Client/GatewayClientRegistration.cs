using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Gateway.Client;

public static class GatewayClientRegistration
{
    /// <summary>The name of the client's <see cref="HttpClient"/> in <see cref="IHttpClientFactory"/>.</summary>
    public const string HttpClientName = "Gateway";

    /// <summary>
    /// Adds a singleton <see cref="IGatewayClient"/>, a <see cref="GatewayClient"/> whose connections come from
    /// <see cref="IHttpClientFactory"/>. A registered <see cref="TimeProvider"/> is the clock for its pauses.
    /// </summary>
    /// <returns>
    /// The builder of its <see cref="HttpClient"/>, for a proxy or other handlers that a network requires.
    /// </returns>
    public static IHttpClientBuilder AddGatewayClient(
        this IServiceCollection services, Action<GatewayClientOptions> configure)
    {
        services.AddOptions<GatewayClientOptions>().Configure(configure).ValidateOnStart();
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<GatewayClientOptions>, GatewayClientOptionsValidator>());
        services.TryAddSingleton(provider =>
        {
            var connections = provider.GetRequiredService<IHttpClientFactory>();
            return new GatewayClient(
                () => connections.CreateClient(HttpClientName),
                provider.GetRequiredService<IOptions<GatewayClientOptions>>().Value,
                provider.GetService<TimeProvider>() ?? TimeProvider.System);
        });
        services.TryAddSingleton<IGatewayClient>(provider => provider.GetRequiredService<GatewayClient>());
        return services.AddHttpClient(HttpClientName, GatewayClient.Prepare)
            .ConfigurePrimaryHttpMessageHandler(GatewayClient.CreateHandler);
    }
}
