using Serilog.Events;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Validates the levels in Serilog's settings. Serilog itself reports a fault there with a stack trace.
/// </summary>
internal static class LogLevels
{
    private const string Section = "Serilog:MinimumLevel";

    /// <summary>Adds a fault for each unknown level.</summary>
    public static void Check(IConfiguration configuration, List<string> faults)
    {
        var names = Enum.GetNames<LogEventLevel>();
        var section = configuration.GetSection(Section);
        foreach (var level in (IConfigurationSection[])
            [section, section.GetSection("Default"), .. section.GetSection("Override").GetChildren()])
        {
            if (level.Value is { } value && !names.Contains(value, StringComparer.OrdinalIgnoreCase))
            {
                faults.Add(
                    $"{level.Path.Replace(":", "__")} is \"{value}\": it must be one of {string.Join(", ", names)}.");
            }
        }
    }
}
