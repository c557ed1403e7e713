using System.Text.Json.Nodes;
using Npgsql;

namespace Gateway.SideBySide;

/// <summary>The works under load, contestant by contestant in turns, and the proof that the answers were right.</summary>
internal sealed class Contest
{
    /// <summary>Long enough for the compilers to have optimized what runs often: of a server, and of a work when it is.</summary>
    private static readonly TimeSpan ServerWarmUp = TimeSpan.FromSeconds(12), WorkWarmUp = TimeSpan.FromSeconds(4);

    /// <summary>Questions before each turn: sessions that have been idle are asked for a sign of life, caches are another's.</summary>
    private const int Settling = 2 * Load.Connections;

    private readonly SideBySideOptions _options;
    private readonly NpgsqlConnection _connection;
    private readonly IReadOnlyList<(Work Work, IReadOnlyList<Contestant> Contestants)> _works;
    private readonly int _postmaster;

    /// <summary>Answers a second that were last seen.</summary>
    private readonly Dictionary<(Work Work, string Contestant), double> _rates = [];

    /// <summary>What right answers have done, and what requests may have done besides that nobody waited for.</summary>
    private Effect _certain, _possible;

    /// <param name="options">What to measure.</param>
    /// <param name="peers">Whom.</param>
    /// <param name="connection">To their PostgreSQL.</param>
    public Contest(SideBySideOptions options, IReadOnlyList<Peer> peers, NpgsqlConnection connection)
    {
        _options = options;
        _connection = connection;
        _postmaster = ProcessorTime.ParentOf(connection.ProcessID) ?? 0;
        _works = [.. options.Works.Where(work => work.IsLoad)
            .Select(work => (work, (IReadOnlyList<Contestant>)[.. peers.SelectMany(peer => peer.Contestants(work))]))];
    }

    /// <returns>A turn for each round, in order.</returns>
    public async Task<ILookup<Seat, Turn>> RunAsync(CancellationToken ct)
    {
        await PrepareAsync(ct);
        var turns = new List<(Seat Seat, Turn Turn)>();
        for (var round = 1; round <= _options.Run.Rounds; round++)
        {
            Console.Error.WriteLine($"round {round} of {_options.Run.Rounds}");
            // Takes away what has been left, and lets plans be made of what is there now.
            await Database.RunAsync(_connection, "VACUUM ANALYZE", "CHECKPOINT");
            foreach (var (work, contestants) in _works)
            {
                foreach (var clients in work.Clients(_options.Clients))
                {
                    // Each begins in its turn: the first meets what the last has left.
                    var first = round % contestants.Count;
                    foreach (var contestant in contestants.Skip(first).Concat(contestants.Take(first)))
                        turns.Add((new Seat(work, clients, contestant.Name), await TakeTurnAsync(work, contestant, clients, ct)));
                }
            }
        }
        await ProveEffectsAsync();
        return turns.ToLookup(turn => turn.Seat, turn => turn.Turn);
    }

    /// <summary>The contestants of a work; the first is what the others are compared with.</summary>
    public IReadOnlyList<string> Names(Work work) =>
        [.. _works.Where(one => one.Work == work).SelectMany(one => one.Contestants).Select(contestant => contestant.Name)];

    private async Task PrepareAsync(CancellationToken ct)
    {
        var warm = new HashSet<object>();
        foreach (var (work, contestants) in _works)
        {
            foreach (var contestant in contestants)
            {
                Console.Error.WriteLine($"{work.Name}: {contestant.Name}");
                if (contestant.PrepareAsync is { } prepare)
                    _certain += await prepare(ct);
                await ProveRowsAsync(work, contestant, ct);
                if (contestant.Server is { } server)
                    await RunAsync(contestant, Load.Connections, warm.Add(server) ? ServerWarmUp : WorkWarmUp, ct);
            }
        }
    }

    private async Task<Turn> TakeTurnAsync(Work work, Contestant contestant, int clients, CancellationToken ct)
    {
        await SettleAsync(contestant, Settling, ct);
        var postgres = ProcessorTime.OfTree(_postmaster);
        var stretch = await RunAsync(contestant, clients, DurationOf(work, contestant, clients), ct);
        var spent = ProcessorTime.OfTree(_postmaster) - postgres;
        var turn = new Turn(Sample.Of(stretch.Load, stretch.OwnSeconds, spent), stretch.PeakMemory);
        _rates[(work, contestant.Name)] = turn.Sample.Rate;
        // Who has left has left requests behind, in the line for a session, which are still worked on. This one is the last in it.
        if (contestant.LeavesRequestsBehind)
            await SettleAsync(contestant, 1, ct);
        return turn;
    }

    /// <summary>
    /// As chosen at the usual number of clients, and half of that at others. More where a client would not see two of its
    /// requests answered in it.
    /// </summary>
    private TimeSpan DurationOf(Work work, Contestant contestant, int clients)
    {
        var chosen = clients == Load.Connections ? _options.Run.Seconds : Math.Ceiling(_options.Run.Seconds / 2);
        var two = contestant.LeavesRequestsBehind && _rates.TryGetValue((work, contestant.Name), out var rate)
            ? Math.Ceiling(2 * clients / rate)
            : 0;
        return TimeSpan.FromSeconds(Math.Max(chosen, two));
    }

    private async Task<Stretch> RunAsync(Contestant contestant, int clients, TimeSpan duration, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var stretch = await contestant.RunAsync(clients, duration, ct);
        _certain += contestant.Effect * stretch.Load.Requests;
        if (contestant.LeavesRequestsBehind)
            _possible += contestant.Effect * clients;
        return stretch;
    }

    private async Task SettleAsync(Contestant contestant, int questions, CancellationToken ct)
    {
        if (contestant is not { KeepsSessions: true, AskAsync: { } ask })
            return;
        await Parallel.ForEachAsync(
            Accounts.Keys.Take(questions),
            new ParallelOptions { MaxDegreeOfParallelism = Load.Connections, CancellationToken = ct },
            async (account, stopping) => await ask(account, stopping));
        _certain += contestant.Effect * questions;
    }

    /// <summary>Shows that a contestant answers with what PostgreSQL holds: else its figures are of nothing.</summary>
    /// <exception cref="InvalidOperationException">It has other rows.</exception>
    private async Task ProveRowsAsync(Work work, Contestant contestant, CancellationToken ct)
    {
        if (contestant.AskAsync is not { } ask)
            return;
        var account = Accounts.Keys[0];
        var rows = await ask(account, ct);
        _certain += contestant.Effect;
        var expected = await Accounts.ReadAsync(_connection, work, account);
        if (!JsonNode.DeepEquals(rows, expected))
        {
            throw new InvalidOperationException(
                $"{contestant.Name} answers {work.Name} with {rows.ToJsonString()}, where PostgreSQL has {expected.ToJsonString()}.");
        }
    }

    /// <summary>Shows that each right answer stands for its effect, and that there were no others.</summary>
    /// <exception cref="InvalidOperationException">There have been more effects, or fewer.</exception>
    private async Task ProveEffectsAsync()
    {
        var seen = await Accounts.CountEffectsAsync(_connection);
        var most = _certain + _possible;
        if (seen.Updates < _certain.Updates || seen.Updates > most.Updates
            || seen.HistoryRows < _certain.HistoryRows || seen.HistoryRows > most.HistoryRows)
        {
            throw new InvalidOperationException(
                $"There are {seen.Updates} updates and {seen.HistoryRows} rows of history for {_certain.Updates} and "
                + $"{_certain.HistoryRows} answers, and up to {_possible.Updates} and {_possible.HistoryRows} that were not waited for.");
        }
    }
}
