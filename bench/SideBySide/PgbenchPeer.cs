using System.Globalization;

namespace Gateway.SideBySide;

/// <summary>
/// Represents PostgreSQL's own benchmark, in C and without HTTP. It shows the maximum rate of the server.
/// </summary>
internal sealed class PgbenchPeer(string program, Ground ground) : Peer
{
    public const string Prepared = "pgbench -M prepared";
    private const string Extended = "pgbench -M extended";

    private const string Account = ":account";

    /// <summary>The number of sessions that pgbench opens in a second, with a login each.</summary>
    private const int OpenedPerSecond = 100;

    private static readonly TimeSpan BackendsEnd = TimeSpan.FromSeconds(0.1);

    /// <summary>The share of requests whose latency pgbench logs.</summary>
    private const double Sampled = 0.1;

    public static Task<Peer> StartAsync(Ground ground, CancellationToken ct) =>
        Task.FromResult<Peer>(new PgbenchPeer(InstalledProgram.FindOf(ground.Postgres, "pgbench"), ground));

    public override IEnumerable<Contestant> Contestants(Work work)
    {
        string[] statements = work.Kind switch
        {
            WorkKind.PointSelect => [Accounts.ForPgbench(Accounts.PointSelect, Account)],
            WorkKind.Page => [Accounts.ForPgbench(Accounts.PageSelect, Account)],
            WorkKind.Update => [Accounts.ForPgbench(Accounts.Update, "1", Account)],
            WorkKind.Transaction =>
            [
                "BEGIN;", Accounts.ForPgbench(Accounts.Update, "1", Account),
                Accounts.ForPgbench(Accounts.SelectBalance, Account),
                Accounts.ForPgbench(Accounts.InsertHistory, Account, "1"), "COMMIT;",
            ],
            _ => [],
        };
        if (statements.Length == 0)
            return [];
        var script = Path.Combine(ground.Temporary, $"pgbench-{work.Name}.sql");
        var last = Accounts.Rows - Accounts.Page + 1;
        File.WriteAllLines(script, [$"\\set account random(1, {last})", .. statements]);
        return [Of(Prepared, "prepared"), Of(Extended, "extended")];

        Contestant Of(string name, string mode) =>
            new(name, Server: null, (clients, duration, ct) => RunAsync(script, mode, clients, duration, ct))
            {
                Effect = work.Effect,
            };
    }

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>
    /// Runs pgbench, with more time after each try that was too short: its time starts before its sessions are open,
    /// and may end before that.
    /// </summary>
    private async Task<Stretch> RunAsync(
        string script, string mode, int clients, TimeSpan duration, CancellationToken ct)
    {
        for (var opening = clients / OpenedPerSecond; ; opening = 2 * opening + 1)
        {
            if (await TryRunAsync(script, mode, clients, duration + TimeSpan.FromSeconds(opening), ct) is { } stretch)
                return stretch;
        }
    }

    /// <returns>The result; null if no session was opened in time.</returns>
    private async Task<Stretch?> TryRunAsync(
        string script, string mode, int clients, TimeSpan duration, CancellationToken ct)
    {
        var folder = Directory.CreateDirectory(Path.Combine(ground.Temporary, "pgbench"));
        try
        {
            var (postgres, log) = (ground.Postgres, Path.Combine(folder.FullName, "latencies"));
            var run = await ProgramRun.RunAsync(
                [
                    program, "--no-vacuum", "--protocol", mode, "--file", script, "--client", Text(clients),
                    "--jobs", Text(Math.Min(2, clients)), "--time", Text(duration.TotalSeconds),
                    "--log", "--log-prefix", log, "--sampling-rate", Text(Sampled),
                    "--host", postgres.Host, "--port", Text(postgres.Port), "--username", postgres.Username,
                    postgres.Database,
                ],
                duration, ct, ("PGPASSWORD", postgres.Password));
            var requests = Number(run.Output, "number of transactions actually processed: ");
            if (requests == 0)
                return null;
            var rate = Number(run.Output, "tps = ");
            // The third field is the latency in microseconds.
            var latencies = folder.EnumerateFiles().SelectMany(file => File.ReadLines(file.FullName))
                .Select(line => long.Parse(line.Split(' ')[2], CultureInfo.InvariantCulture)).Order().ToArray();
            var load = new LoadResult(
                (long)requests, 0, requests / rate,
                Statistics.Percentile(latencies, 0.5), Statistics.Percentile(latencies, 0.99));
            // The backends end after pgbench.
            await Task.Delay(BackendsEnd, ct);
            return new Stretch(load, run.OwnSeconds, run.PeakMemory);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
    }

    private static double Number(string output, string name)
    {
        var line = output.Split('\n').FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"pgbench does not print \"{name}\": {output}");
        return double.Parse(line[name.Length..].Split(' ', '/')[0], CultureInfo.InvariantCulture);
    }
}
