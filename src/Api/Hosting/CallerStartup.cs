using Gateway.Api.Callers;
using Gateway.Api.Configuration;

namespace Gateway.Api.Hosting;

/// <summary>Adds the callers to the application.</summary>
internal static class CallerStartup
{
    /// <summary>
    /// Adds the callers. Without any, the gateway serves this machine only; with callers, it may listen on any address,
    /// because every request needs a key or a token.
    /// </summary>
    public static void AddCallers(this WebApplicationBuilder builder, CallerRegistry callers)
    {
        builder.Services.AddSingleton(callers);
        // Without issuers, the libraries that check tokens are not loaded.
        if (callers.Issuers.Count > 0)
        {
            builder.Services.AddSingleton(services => new Tokens(
                callers.Issuers,
                services.GetRequiredService<TimeProvider>(),
                services.GetRequiredService<ILoggerFactory>()));
            builder.Services.AddHostedService<KeyWatch>();
        }
        if (!callers.AreConfigured)
            builder.ServeLoopbackOnly();
    }

    /// <summary>Reads the issuers' keys that are in files, so that faults in them show at the start.</summary>
    /// <exception cref="StartupException">
    /// A file can't be read; a message for each, with its setting.
    /// </exception>
    public static async Task ReadKeyFilesAsync(this WebApplication gateway)
    {
        if (gateway.Services.GetService<Tokens>() is { } tokens
            && await tokens.ReadFilesAsync() is { Count: > 0 } faults)
            throw new StartupException(faults);
    }
}
