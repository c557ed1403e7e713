using System.Globalization;

namespace Gateway.Bench;

/// <summary>Represents a command's options, each with a value, and the options that all benchmarks have.</summary>
internal sealed class RunOptions
{
    private readonly Dictionary<string, string> _given = [];

    /// <summary>Reads the command's arguments.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="usage">The names of all options, with a word for each value.</param>
    /// <param name="rounds">The default number of rounds.</param>
    /// <param name="seconds">The default duration of a load.</param>
    /// <exception cref="FormatException">An argument is wrong; the message says which.</exception>
    public RunOptions(string[] args, string usage, int rounds, int seconds)
    {
        foreach (var pair in args.Chunk(2))
        {
            var isOption = pair[0].StartsWith("--", StringComparison.Ordinal) && usage.Split(' ').Contains(pair[0]);
            if (!isOption || pair.Length < 2 || !_given.TryAdd(pair[0], pair[1]))
            {
                throw new FormatException(
                    $"\"{string.Join(' ', pair)}\" is not an option with a value, once. The options are: {usage}.");
            }
        }
        Rounds = Number("--rounds", rounds, 1, 1000);
        Seconds = Number("--seconds", seconds, 1, 600);
    }

    /// <summary>Gets the number of loads on each contestant, from 1 to 1000.</summary>
    public int Rounds { get; }

    /// <summary>Gets the duration of a load, from 1 to 600 seconds.</summary>
    public int Seconds { get; }

    /// <summary>Gets the file for the results, besides the terminal; null for none.</summary>
    public string? Results => _given.GetValueOrDefault("--results");

    /// <summary>Gets the arguments that affect the results, for the results.</summary>
    public string Arguments => string.Concat(
        _given.Where(pair => pair.Key != "--results").Select(pair => $" {pair.Key} {pair.Value}"));

    public int Number(string name, int fallback, int min, int max) => Read(name, fallback, text =>
        int.TryParse(text, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw new FormatException($"{name} must be an integer from {min} to {max}."));

    public T Read<T>(string name, T fallback, Func<string, T> parse) =>
        _given.TryGetValue(name, out var text) ? parse(text) : fallback;
}
