using System.Globalization;
using Serilog;
using Serilog.Formatting.Json;

namespace Gateway.Api.Telemetry;

/// <summary>Logs by Serilog: lines for people on a terminal, JSON for programs elsewhere.</summary>
internal static class GatewayLogging
{
    private const string TerminalLine =
        "{Timestamp:HH:mm:ss.fff} {Level:u3} {Message}{NewLine}{Exception}";

    public static void AddGatewayLogging(this WebApplicationBuilder builder)
    {
        var logger = new LoggerConfiguration().ReadFrom.Configuration(builder.Configuration);
        logger = Console.IsOutputRedirected
            ? logger.WriteTo.Console(new JsonFormatter(renderMessage: true, formatProvider: CultureInfo.InvariantCulture))
            : logger.WriteTo.Console(outputTemplate: TerminalLine, formatProvider: CultureInfo.InvariantCulture);
        builder.Logging.ClearProviders();
        builder.Logging.AddSerilog(logger.CreateLogger(), dispose: true);
    }
}
