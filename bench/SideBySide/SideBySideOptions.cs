using System.Globalization;

namespace Gateway.SideBySide;

/// <summary>Represents the options of this benchmark.</summary>
internal sealed class SideBySideOptions
{
    private const int MaxClients = 256;

    /// <exception cref="FormatException">An argument is wrong; the message says which.</exception>
    public SideBySideOptions(string[] args)
    {
        Run = new RunOptions(
            args,
            "--works NAME,… --peers NAME,… --clients NUMBER,… --rounds NUMBER --seconds NUMBER --fsync on|off "
            + "--results FILE",
            rounds: 5, seconds: 3);
        Works = Run.Read("--works", Work.All, text => Chosen("--works", text, Work.All, work => work.Name));
        Peers = Run.Read("--peers", PeerKind.All, text => Chosen("--peers", text, PeerKind.All, peer => peer.Name));
        Clients = Run.Read<IReadOnlyList<int>?>("--clients", null, ParseClients);
        Fsync = Run.Read("--fsync", "off", text => text is "on" or "off"
            ? text
            : throw new FormatException("--fsync must be on or off."));
    }

    public RunOptions Run { get; }

    public IReadOnlyList<Work> Works { get; }

    public IReadOnlyList<PeerKind> Peers { get; }

    /// <summary>Gets the numbers of clients, from 1 to 256; null for the default of each work.</summary>
    public IReadOnlyList<int>? Clients { get; }

    /// <summary>Gets <c>on</c> if PostgreSQL waits for the disk at each COMMIT; else <c>off</c>.</summary>
    public string Fsync { get; }

    private static IReadOnlyList<T> Chosen<T>(string option, string names, IReadOnlyList<T> all, Func<T, string> name)
    {
        var chosen = names.Split(',').ToHashSet();
        return chosen.IsSubsetOf(all.Select(name))
            ? [.. all.Where(one => chosen.Contains(name(one)))]
            : throw new FormatException($"{option} must be one or more of {string.Join(",", all.Select(name))}.");
    }

    private static int[] ParseClients(string numbers)
    {
        var clients = numbers.Split(',')
            .Select(text => int.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : 0).ToArray();
        return clients.All(number => number is >= 1 and <= MaxClients)
            ? [.. clients.Distinct().Order()]
            : throw new FormatException($"--clients must be integers from 1 to {MaxClients}.");
    }
}
