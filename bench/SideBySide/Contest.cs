using System.Text.Json.Nodes;
using Npgsql;

namespace Gateway.SideBySide;

/// <summary>Runs the works under load, the contestants in turns, and proves that the answers were right.</summary>
internal sealed class Contest
{
    /// <summary>
    /// The warm-up of a server, and of a work on a warm server: long enough for compilers to optimize the hot code.
    /// </summary>
    private static readonly TimeSpan ServerWarmUp = TimeSpan.FromSeconds(12), WorkWarmUp = TimeSpan.FromSeconds(4);

    /// <summary>
    /// The number of requests before each turn. Idle sessions need a ping first, and caches are full of others' data.
    /// </summary>
    private const int Settling = 2 * Load.Connections;

    private readonly SideBySideOptions _options;
    private readonly NpgsqlConnection _connection;
    private readonly IReadOnlyList<(Work Work, IReadOnlyList<Contestant> Contestants)> _works;
    private readonly int _postmaster;

    /// <summary>The rates of the last turns, in answers per second.</summary>
    private readonly Dictionary<(Work Work, string Contestant), double> _rates = [];

    /// <summary>
    /// The effect of right answers, and the effect that requests without an awaited answer may have had.
    /// </summary>
    private Effect _certain, _possible;

    /// <param name="options">The works and the numbers of clients.</param>
    /// <param name="peers">The peers to measure.</param>
    /// <param name="connection">A connection to their PostgreSQL.</param>
    public Contest(SideBySideOptions options, IReadOnlyList<Peer> peers, NpgsqlConnection connection)
    {
        _options = options;
        _connection = connection;
        _postmaster = ProcessorTime.ParentOf(connection.ProcessID) ?? 0;
        _works = [.. options.Works.Where(work => work.IsLoad)
            .Select(work => (work, (IReadOnlyList<Contestant>)[.. peers.SelectMany(peer => peer.Contestants(work))]))];
    }

    /// <summary>Runs all rounds.</summary>
    /// <returns>A turn for each round, in order.</returns>
    public async Task<ILookup<Seat, Turn>> RunAsync(CancellationToken ct)
    {
        await PrepareAsync(ct);
        var turns = new List<(Seat Seat, Turn Turn)>();
        for (var round = 1; round <= _options.Run.Rounds; round++)
        {
            Console.Error.WriteLine($"round {round} of {_options.Run.Rounds}");
            // Removes old versions of rows, and updates the statistics for the planner.
            await Database.RunAsync(_connection, "VACUUM ANALYZE", "CHECKPOINT");
            foreach (var (work, contestants) in _works)
            {
                foreach (var clients in work.Clients(_options.Clients))
                {
                    // Another contestant begins each round, because the last one's work affects the first one.
                    var first = round % contestants.Count;
                    foreach (var contestant in contestants.Skip(first).Concat(contestants.Take(first)))
                    {
                        var seat = new Seat(work, clients, contestant.Name);
                        turns.Add((seat, await TakeTurnAsync(work, contestant, clients, ct)));
                    }
                }
            }
        }
        await ProveEffectsAsync();
        return turns.ToLookup(turn => turn.Seat, turn => turn.Turn);
    }

    /// <summary>Returns the contestants of a work. The others are compared with the first.</summary>
    public IReadOnlyList<string> Names(Work work) =>
        [.. _works
            .Where(one => one.Work == work)
            .SelectMany(one => one.Contestants)
            .Select(contestant => contestant.Name)];

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
        // Clients that have stopped have left requests in the queue for a session, and these still run. This request is
        // the last in the queue, so it waits for them.
        if (contestant.LeavesRequestsBehind)
            await SettleAsync(contestant, 1, ct);
        return turn;
    }

    /// <summary>
    /// Returns the duration of a turn: the chosen one for the usual number of clients, half of it for others. It is
    /// longer if a client would not get two answers in that time.
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

    /// <summary>Proves that a contestant answers with PostgreSQL's rows. Otherwise its figures are useless.</summary>
    /// <exception cref="InvalidOperationException">The contestant answers with other rows.</exception>
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
                $"{contestant.Name} answers {work.Name} with {rows.ToJsonString()}, "
                + $"where PostgreSQL has {expected.ToJsonString()}.");
        }
    }

    /// <summary>Proves that each right answer had its effect, and that there were no other effects.</summary>
    /// <exception cref="InvalidOperationException">There were more effects, or fewer.</exception>
    private async Task ProveEffectsAsync()
    {
        var seen = await Accounts.CountEffectsAsync(_connection);
        var most = _certain + _possible;
        if (seen.Updates < _certain.Updates || seen.Updates > most.Updates
            || seen.HistoryRows < _certain.HistoryRows || seen.HistoryRows > most.HistoryRows)
        {
            throw new InvalidOperationException(
                $"There are {seen.Updates} updates and {seen.HistoryRows} rows of history for {_certain.Updates} and "
                + $"{_certain.HistoryRows} answers, and up to {_possible.Updates} and {_possible.HistoryRows} "
                + "that were not waited for.");
        }
    }
}
