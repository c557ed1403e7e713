using System.Diagnostics;
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

    /// <summary>The time that a failed peer's statements have to end, and the time between two checks.</summary>
    private static readonly TimeSpan StatementsEnd = TimeSpan.FromSeconds(60), Interval = TimeSpan.FromSeconds(0.5);

    /// <summary>
    /// The number of requests before each turn. Idle sessions need a ping first, and caches are full of others' data.
    /// </summary>
    private const int Settling = 2 * Wrk.Clients;

    /// <summary>The number of failed rounds after which a contestant that has no sample is not tried again.</summary>
    private const int MaxFailedRounds = 2;

    private readonly SideBySideOptions _options;
    private readonly NpgsqlConnection _connection;
    private readonly Results _results;
    private readonly IReadOnlyList<(Work Work, List<Contestant> Contestants)> _works;
    private readonly int _postmaster;

    /// <summary>The rates of the last turns, in answers per second.</summary>
    private readonly Dictionary<(WorkKind Work, string Contestant), double> _rates = [];

    /// <summary>
    /// The effect of right answers, and the effect that requests without an awaited answer may have had.
    /// </summary>
    private Effect _certain, _possible;

    /// <param name="options">The works and the numbers of clients.</param>
    /// <param name="peers">The peers to measure.</param>
    /// <param name="connection">A connection to their PostgreSQL.</param>
    /// <param name="results">Receives the samples and the failures.</param>
    public Contest(
        SideBySideOptions options, IReadOnlyList<Peer> peers, NpgsqlConnection connection, Results results)
    {
        (_options, _connection, _results) = (options, connection, results);
        _postmaster = ProcessorTime.ParentOf(connection.ProcessID) ?? 0;
        _works = [.. options.Works.Where(work => work.IsLoad)
            .Select(work => (work, peers.SelectMany(peer => peer.Contestants(work)).ToList()))];
    }

    /// <summary>Runs all rounds.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        await PrepareAsync(ct);
        for (var round = 1; round <= _options.Run.Rounds; round++)
        {
            Console.Error.WriteLine($"round {round} of {_options.Run.Rounds}");
            // Removes old versions of rows, and updates the statistics for the planner.
            await Database.RunAsync(_connection, "VACUUM ANALYZE", "CHECKPOINT");
            foreach (var (work, contestants) in _works.Where(work => work.Contestants.Count > 0))
            {
                foreach (var clients in work.Clients(_options.Clients))
                {
                    foreach (var contestant in BenchRun.Turns(contestants, round))
                        await TakeTurnAsync(work, contestant, clients, round, ct);
                }
            }
        }
    }

    /// <summary>Returns the contestants of a work that have samples. The others are compared with the first.</summary>
    public IReadOnlyList<string> Names(Work work, int clients) =>
        [.. _works.Where(one => one.Work == work).SelectMany(one => one.Contestants)
            .Select(contestant => contestant.Name)
            .Where(name => _results[new Seat(work.Kind, clients, name)].Count > 0)];

    private async Task PrepareAsync(CancellationToken ct)
    {
        var warm = new HashSet<object>();
        foreach (var (work, contestants) in _works)
        {
            foreach (var contestant in contestants.ToArray())
            {
                Console.Error.WriteLine($"{work.Name}: {contestant.Name}");
                var error = await TryAsync(
                    contestant,
                    () => PrepareAsync(work, contestant, warm.Add(contestant.Server ?? contestant), ct), ct);
                if (error is null)
                    continue;
                contestants.Remove(contestant);
                _results.AddFailure(contestant.Name, $"{work.Name}, before the first round", error);
            }
        }
    }

    private async Task PrepareAsync(Work work, Contestant contestant, bool isCold, CancellationToken ct)
    {
        if (contestant.PrepareAsync is { } prepare)
            _certain += await prepare(ct);
        await ProveRowsAsync(work, contestant, ct);
        if (contestant.Server is not null)
            await RunAsync(contestant, Wrk.Clients, isCold ? ServerWarmUp : WorkWarmUp, ct);
        await ProveEffectsAsync();
    }

    /// <summary>
    /// Adds a sample. Repeats a peer's turn once if it fails, and adds the failure if it fails again.
    /// </summary>
    private async Task TakeTurnAsync(
        Work work, Contestant contestant, int clients, int round, CancellationToken ct)
    {
        var seat = new Seat(work.Kind, clients, contestant.Name);
        if (_results.CountFailures(seat) >= MaxFailedRounds && _results[seat].Count == 0)
            return;
        var error = await TryAsync(contestant, MeasureAsync, ct);
        if (error is not null)
        {
            Console.Error.WriteLine($"{contestant.Name} failed in {work.Name} and is repeated: {error.Message}");
            error = await TryAsync(contestant, MeasureAsync, ct);
        }
        if (error is not null)
            _results.AddFailure(seat, round, error);

        async Task MeasureAsync() =>
            _results.Add(seat, round, await this.MeasureAsync(work, contestant, clients, ct));
    }

    /// <summary>Runs an action of a contestant.</summary>
    /// <returns>The error of a peer; null if there was none. An error of the gateway ends the run.</returns>
    private async Task<Exception?> TryAsync(Contestant contestant, Func<Task> action, CancellationToken ct)
    {
        try
        {
            await action();
            return null;
        }
        catch (Exception error) when (
            !contestant.IsGateway && !ct.IsCancellationRequested && BenchRun.IsFailure(error))
        {
            await AcceptEffectsAsync(ct);
            return error;
        }
    }

    private async Task<Sample> MeasureAsync(Work work, Contestant contestant, int clients, CancellationToken ct)
    {
        await SettleAsync(contestant, Settling, ct);
        var duration = DurationOf(work, contestant, clients);
        var sample = await Sample.MeasureAsync(_postmaster, () => RunAsync(contestant, clients, duration, ct));
        // Clients that have stopped have left requests in the queue for a session. This request is the last in the
        // queue, so it waits for them.
        if (contestant.LeavesRequestsBehind)
            await SettleAsync(contestant, 1, ct);
        if (contestant.Effect != default)
            await ProveEffectsAsync();
        _rates[(work.Kind, contestant.Name)] = sample.Rate;
        return sample;
    }

    /// <summary>
    /// Returns the duration of a turn: the chosen one, or a longer one if a client would not get two answers in it.
    /// </summary>
    private TimeSpan DurationOf(Work work, Contestant contestant, int clients)
    {
        var two = contestant.LeavesRequestsBehind && _rates.TryGetValue((work.Kind, contestant.Name), out var rate)
            ? Math.Ceiling(2 * clients / rate)
            : 0;
        return TimeSpan.FromSeconds(Math.Max(_options.Run.Seconds, two));
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
        if (contestant is not { LeavesRequestsBehind: true, AskAsync: { } ask })
            return;
        await Parallel.ForEachAsync(
            Accounts.Keys.Take(questions),
            new ParallelOptions { MaxDegreeOfParallelism = Wrk.Clients, CancellationToken = ct },
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
                + $"but PostgreSQL has {expected.ToJsonString()}.");
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
                $"PostgreSQL has {seen.Updates} updates and {seen.HistoryRows} rows of history. Right answers stand "
                + $"for {_certain.Updates} and {_certain.HistoryRows}, and requests without an awaited answer for up "
                + $"to {_possible.Updates} and {_possible.HistoryRows} more.");
        }
    }

    /// <summary>
    /// Accepts the effects so far after a peer's failure, because its answers are not known. Waits for its statements
    /// first.
    /// </summary>
    private async Task AcceptEffectsAsync(CancellationToken ct)
    {
        var begun = Stopwatch.GetTimestamp();
        do
        {
            await Task.Delay(Interval, ct);
        }
        while (await Database.CountActiveAsync(_connection) > 0 && Stopwatch.GetElapsedTime(begun) < StatementsEnd);
        _certain = await Accounts.CountEffectsAsync(_connection);
        _possible = default;
    }
}
