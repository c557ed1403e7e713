using Serilog;
using Serilog.Formatting.Compact;

namespace Gateway.Api.Telemetry;

/// <summary>Adds the log, written by Serilog: readable lines on a terminal, JSON if the output is redirected.</summary>
internal static class GatewayLogging
{
    /// <summary>Adds the log. Its levels must have been checked (<see cref="LogLevels"/>).</summary>
    public static void AddGatewayLogging(this WebApplicationBuilder builder)
    {
        var settings = new LoggerConfiguration().ReadFrom.Configuration(builder.Configuration);
        settings = Console.IsOutputRedirected
            ? settings.WriteTo.Sink(
                new LineOutput(new WithoutMessages(new CompactJsonFormatter()), Console.OpenStandardOutput()))
            : settings.WriteTo.Console(new WithoutMessages(new TerminalLine()));
        var log = settings.CreateLogger();
        builder.Logging.ClearProviders();
        builder.Logging.AddSerilog(log, dispose: true);
        // A scope would add the path, which contains any text that the caller put there. UseSerilog's factory always
        // captures scopes (docs/decisions/0008).
        builder.Services.Configure<LoggerFilterOptions>(options => options.CaptureScopes = false);
        builder.Services.AddSingleton<Serilog.ILogger>(log);
    }
}
