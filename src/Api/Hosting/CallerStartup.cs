using Gateway.Api.Callers;
using Gateway.Api.Configuration;

namespace Gateway.Api.Hosting;

/// <summary>How the callers come up.</summary>
internal static class CallerStartup
{
    /// <summary>With callers, any address may be listened on: whoever comes there must show a key.</summary>
    public static void AddCallers(this WebApplicationBuilder builder, CallerRegistry callers)
    {
        builder.Services.AddSingleton(callers);
        // What checks tokens is not even loaded where there are none.
        if (callers.Issuers.Count > 0)
        {
            builder.Services.AddSingleton(services => new Tokens(
                callers.Issuers, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILoggerFactory>()));
            builder.Services.AddHostedService<KeyWatch>();
        }
        if (!callers.AreConfigured)
            builder.ServeLoopbackOnly();
    }

    /// <summary>Reads the keys of tokens that are in files, so that what is wrong with them shows now.</summary>
    /// <exception cref="StartupException">Each file that can't be read, with its setting.</exception>
    public static async Task ReadKeyFilesAsync(this WebApplication gateway)
    {
        if (gateway.Services.GetService<Tokens>() is { } tokens && await tokens.ReadFilesAsync() is { Count: > 0 } faults)
            throw new StartupException(faults);
    }
}
