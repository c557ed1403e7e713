using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Gateway.Client;

public static class GatewayClientRegistration
{
    /// <summary>The name of the client's <see cref="HttpClient"/> in <see cref="IHttpClientFactory"/>.</summary>
    public const string HttpClientName = "Gateway";

    /// <summary>
    /// Adds one <see cref="GatewayClient"/> for all, whose connections are <see cref="IHttpClientFactory"/>'s. A
    /// <see cref="TimeProvider"/> among the services is the clock of its pauses.
    /// </summary>
    /// <returns>What its <see cref="HttpClient"/> is made by, to put in what a company's network asks for.</returns>
    public static IHttpClientBuilder AddGatewayClient(this IServiceCollection services, Action<GatewayClientOptions> configure)
    {
        services.AddOptions<GatewayClientOptions>().Configure(configure).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<GatewayClientOptions>, GatewayClientOptionsValidator>());
        services.TryAddSingleton(provider =>
        {
            var connections = provider.GetRequiredService<IHttpClientFactory>();
            return new GatewayClient(
                () => connections.CreateClient(HttpClientName),
                provider.GetRequiredService<IOptions<GatewayClientOptions>>().Value,
                provider.GetService<TimeProvider>() ?? TimeProvider.System);
        });
        return services.AddHttpClient(HttpClientName, GatewayClient.Prepare)
            .ConfigurePrimaryHttpMessageHandler(GatewayClient.CreateHandler);
    }
}
