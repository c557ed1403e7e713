using Serilog.Events;

namespace Gateway.Api.Telemetry;

/// <summary>The levels in Serilog's settings, which Serilog itself refuses with a stack trace.</summary>
internal static class LogLevels
{
    private const string Section = "Serilog:MinimumLevel";

    /// <summary>Adds a sentence for each level that is none.</summary>
    public static void Check(IConfiguration configuration, List<string> faults)
    {
        var section = configuration.GetSection(Section);
        foreach (var level in section.GetSection("Override").GetChildren().Append(section).Append(section.GetSection("Default")))
        {
            if (level.Value is { } value && !Enum.GetNames<LogEventLevel>().Contains(value, StringComparer.OrdinalIgnoreCase))
            {
                faults.Add(
                    $"{level.Path.Replace(":", "__")} is \"{value}\": it must be one of {string.Join(", ", Enum.GetNames<LogEventLevel>())}.");
            }
        }
    }
}
