using System.Globalization;

namespace Gateway.Bench;

/// <summary>
/// Represents the options of all benchmarks: the duration, the server's durability, the results' file.
/// </summary>
internal sealed record RunOptions
{
    private const string Usage =
        "[--rounds NUMBER] [--seconds SECONDS OF EACH STRETCH] [--fsync on|off] [--results FILE]";

    /// <summary>Gets the number of turns of each contestant, from 1 to 1000.</summary>
    public required int Rounds { get; init; }

    /// <summary>Gets the duration of a turn for each workload, from 0.1 to 600 seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Gets whether PostgreSQL waits for the disk at each COMMIT, as in production.</summary>
    public bool Fsync { get; private init; }

    /// <summary>Gets the file for the results, besides the terminal; null for none.</summary>
    public string? Results { get; private init; }

    /// <summary>Gets the command's arguments, for the results.</summary>
    public string Arguments => string.Create(
        CultureInfo.InvariantCulture, $"--rounds {Rounds} --seconds {Seconds}{(Fsync ? " --fsync on" : "")}");

    /// <summary>Gets a sentence about <see cref="Fsync"/>, for the results.</summary>
    public string Durability => Fsync
        ? "PostgreSQL runs with fsync, so a COMMIT waits for this machine's disk."
        : "PostgreSQL runs without fsync, so that no disk\nhides what is measured.";

    /// <summary>Reads the command's arguments.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="seconds">The default duration of a turn.</param>
    /// <param name="others">The usage of the command's other arguments, for messages.</param>
    /// <param name="rounds">The default number of rounds.</param>
    /// <exception cref="FormatException">An argument is wrong; the message says which.</exception>
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

    /// <summary>Returns PostgreSQL's settings for these options, and other settings.</summary>
    public IReadOnlyDictionary<string, string> ServerSettings(params IEnumerable<(string Name, string Value)> others) =>
        others.Append(("fsync", Fsync ? "on" : "off")).Append(("full_page_writes", Fsync ? "on" : "off"))
            .ToDictionary(setting => setting.Item1, setting => setting.Item2);
}
