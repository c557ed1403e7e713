using System.Globalization;

namespace Gateway.Streams;

/// <summary>What is streamed, besides what all benchmarks are told.</summary>
internal sealed record StreamOptions
{
    private const string Usage = "[--rows NUMBER] [--megabytes NUMBER]";

    public required RunOptions Run { get; init; }

    /// <summary>Rows of the table, 10,000 to 100,000,000.</summary>
    public int Rows { get; private init; } = 1_000_000;

    /// <summary>How much a stream has that is to leave the memory as it was, in MiB, 8 to 100,000.</summary>
    public int Megabytes { get; private init; } = 1024;

    /// <summary>What has been measured, for the results.</summary>
    public string Arguments => string.Create(
        CultureInfo.InvariantCulture, $"--rows {Rows} --megabytes {Megabytes} {Run.Arguments}");

    /// <exception cref="FormatException">What is wrong with them.</exception>
    public static StreamOptions Parse(string[] args)
    {
        var pairs = args.Chunk(2).ToLookup(pair => pair[0] is "--rows" or "--megabytes");
        var options = new StreamOptions
        {
            Run = RunOptions.Parse([.. pairs[false].SelectMany(pair => pair)], seconds: 2, Usage),
        };
        foreach (var pair in pairs[true])
        {
            options = pair switch
            {
                ["--rows", var text] when int.TryParse(text, CultureInfo.InvariantCulture, out var rows)
                    && rows is >= StreamRows.Fewest and <= 100_000_000 => options with { Rows = rows },
                ["--megabytes", var text] when int.TryParse(text, CultureInfo.InvariantCulture, out var megabytes)
                    && megabytes is >= 8 and <= 100_000 => options with { Megabytes = megabytes },
                _ => throw RunOptions.NotUnderstood(pair, Usage),
            };
        }
        return options;
    }
}
