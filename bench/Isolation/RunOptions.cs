using System.Globalization;

namespace Gateway.Isolation;

/// <summary>How long to measure, and where the results go.</summary>
internal sealed record RunOptions
{
    public const string Usage = "[--rounds NUMBER] [--seconds SECONDS OF EACH STRETCH] [--results FILE]";

    /// <summary>How often each contestant gets its turn, 1 to 1000.</summary>
    public int Rounds { get; private init; } = 7;

    /// <summary>How long a turn is for each workload, 0.1 to 600.</summary>
    public double Seconds { get; private init; } = 0.8;

    /// <summary>The file that the results are written to besides the terminal.</summary>
    public string? Results { get; private init; }

    /// <exception cref="FormatException">What is wrong with them.</exception>
    public static RunOptions Parse(string[] args)
    {
        var options = new RunOptions();
        foreach (var pair in args.Chunk(2))
        {
            options = pair switch
            {
                ["--rounds", var text] when int.TryParse(text, CultureInfo.InvariantCulture, out var rounds)
                    && rounds is >= 1 and <= 1000 => options with { Rounds = rounds },
                ["--seconds", var text] when double.TryParse(text, CultureInfo.InvariantCulture, out var seconds)
                    && seconds is >= 0.1 and <= 600 => options with { Seconds = seconds },
                ["--results", var file] => options with { Results = file },
                _ => throw new FormatException($"Not understood: {string.Join(' ', pair)}. It takes {Usage}."),
            };
        }
        return options;
    }
}
