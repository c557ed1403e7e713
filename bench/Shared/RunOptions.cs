using System.Globalization;

namespace Gateway.Bench;

/// <summary>How long to measure, on what, and where the results go.</summary>
internal sealed record RunOptions
{
    private const string Usage =
        "[--rounds NUMBER] [--seconds SECONDS OF EACH STRETCH] [--fsync on|off] [--results FILE]";

    /// <summary>How often each contestant gets its turn, 1 to 1000.</summary>
    public required int Rounds { get; init; }

    /// <summary>How long a turn is for each workload, 0.1 to 600.</summary>
    public required double Seconds { get; init; }

    /// <summary>Whether PostgreSQL waits for the disk at each COMMIT, as a server that keeps its data does.</summary>
    public bool Fsync { get; private init; }

    /// <summary>The file that the results are written to besides the terminal.</summary>
    public string? Results { get; private init; }

    /// <summary>What has been measured, for the results.</summary>
    public string Arguments => string.Create(
        CultureInfo.InvariantCulture, $"--rounds {Rounds} --seconds {Seconds}{(Fsync ? " --fsync on" : "")}");

    /// <summary>The same for people.</summary>
    public string Durability => Fsync
        ? "PostgreSQL runs with fsync, so a COMMIT waits for this machine's disk."
        : "PostgreSQL runs without fsync, so that no disk\nhides what is measured.";

    /// <param name="args">The command's.</param>
    /// <param name="seconds">How long a turn is where they don't say.</param>
    /// <param name="others">What the command takes besides, for people.</param>
    /// <param name="rounds">How many there are where they don't say.</param>
    /// <exception cref="FormatException">What is wrong with them.</exception>
    public static RunOptions Parse(string[] args, double seconds, string others = "", int rounds = 7)
    {
        var options = new RunOptions { Seconds = seconds, Rounds = rounds };
        foreach (var pair in args.Chunk(2))
        {
            options = pair switch
            {
                ["--rounds", var text] when int.TryParse(text, CultureInfo.InvariantCulture, out var turns)
                    && turns is >= 1 and <= 1000 => options with { Rounds = turns },
                ["--seconds", var text] when double.TryParse(text, CultureInfo.InvariantCulture, out var given)
                    && given is >= 0.1 and <= 600 => options with { Seconds = given },
                ["--fsync", "on" or "off"] => options with { Fsync = pair[1] == "on" },
                ["--results", var file] => options with { Results = file },
                _ => throw NotUnderstood(pair, others),
            };
        }
        return options;
    }

    public static FormatException NotUnderstood(string[] pair, string others) =>
        new($"Not understood: {string.Join(' ', pair)}. It takes {$"{others} {Usage}".TrimStart()}.");

    /// <summary>Settings for PostgreSQL that make it so.</summary>
    public IReadOnlyDictionary<string, string> ServerSettings(params IEnumerable<(string Name, string Value)> others) =>
        others.Append(("fsync", Fsync ? "on" : "off")).Append(("full_page_writes", Fsync ? "on" : "off"))
            .ToDictionary(setting => setting.Item1, setting => setting.Item2);
}
