using System.Globalization;

namespace Gateway.Streams;

/// <summary>Represents the options of this benchmark, besides those of all benchmarks.</summary>
internal sealed record StreamOptions
{
    private const string Usage = "[--rows NUMBER] [--megabytes NUMBER]";

    public required RunOptions Run { get; init; }

    /// <summary>Gets the number of rows in the table, from 10,000 to 100,000,000.</summary>
    public int Rows { get; private init; } = 1_000_000;

    /// <summary>Gets the size of the streams of the memory trials, from 8 to 100,000 MiB.</summary>
    public int Megabytes { get; private init; } = 1024;

    /// <summary>Gets the command's arguments, for the results.</summary>
    public string Arguments => string.Create(
        CultureInfo.InvariantCulture, $"--rows {Rows} --megabytes {Megabytes} {Run.Arguments}");

    /// <summary>Reads the command's arguments.</summary>
    /// <exception cref="FormatException">An argument is wrong; the message says which.</exception>
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
