using System.Globalization;

namespace Gateway.SideBySide;

/// <summary>Represents the options of this benchmark, besides those of all benchmarks.</summary>
internal sealed record SideBySideOptions
{
    private const string Usage = "[--works NAME,…] [--peers NAME,…] [--clients NUMBER,…]";

    private static readonly IReadOnlyList<int> AllClients = [1, 16, 256];

    public required RunOptions Run { get; init; }

    public IReadOnlyList<Work> Works { get; private init; } = Work.All;

    public IReadOnlyList<PeerKind> Peers { get; private init; } = PeerKind.All;

    /// <summary>Gets the numbers of clients to measure with, from 1 to 256.</summary>
    public IReadOnlyList<int> Clients { get; private init; } = AllClients;

    /// <summary>Gets the command's arguments, for the results.</summary>
    public string Arguments => string.Join(' ',
    [
        .. Works.Count < Work.All.Count
            ? [$"--works {string.Join(',', Works.Select(work => work.Name))}"]
            : (string[])[],
        .. Peers.Count < PeerKind.All.Count
            ? [$"--peers {string.Join(',', Peers.Select(peer => peer.Name))}"]
            : (string[])[],
        .. Clients.SequenceEqual(AllClients) ? (string[])[] : [$"--clients {string.Join(',', Clients)}"],
        Run.Arguments,
    ]);

    /// <summary>Reads the command's arguments.</summary>
    /// <exception cref="FormatException">An argument is wrong; the message says which.</exception>
    public static SideBySideOptions Parse(string[] args)
    {
        var pairs = args.Chunk(2).ToLookup(pair => pair[0] is "--works" or "--peers" or "--clients");
        var options = new SideBySideOptions
        {
            Run = RunOptions.Parse([.. pairs[false].SelectMany(pair => pair)], seconds: 2, Usage, rounds: 5),
        };
        if (options.Run.Seconds != Math.Floor(options.Run.Seconds))
            throw new FormatException("wrk and pgbench take whole seconds.");
        foreach (var pair in pairs[true])
        {
            options = pair switch
            {
                ["--works", var names] => options with { Works = Chosen(pair, names, Work.All, work => work.Name) },
                ["--peers", var names] => options with { Peers = Chosen(pair, names, PeerKind.All, peer => peer.Name) },
                ["--clients", var numbers] => options with { Clients = ParseClients(pair, numbers) },
                _ => throw RunOptions.NotUnderstood(pair, Usage),
            };
        }
        return options;
    }

    private static IReadOnlyList<T> Chosen<T>(string[] pair, string names, IReadOnlyList<T> all, Func<T, string> name)
    {
        var chosen = names.Split(',').ToHashSet();
        return chosen.IsSubsetOf(all.Select(name))
            ? [.. all.Where(one => chosen.Contains(name(one)))]
            : throw new FormatException(
                $"Not understood: {string.Join(' ', pair)}. There are {string.Join(", ", all.Select(name))}.");
    }

    private static int[] ParseClients(string[] pair, string numbers)
    {
        var clients = numbers.Split(',')
            .Select(text => int.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : 0).ToArray();
        return clients.All(number => number is >= 1 and <= 256)
            ? [.. clients.Distinct().Order()]
            : throw new FormatException($"Not understood: {string.Join(' ', pair)}. There may be 1 to 256 clients.");
    }
}
