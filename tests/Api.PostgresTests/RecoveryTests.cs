using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Gateway.Api.PostgresTests.Faults;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests promise 6, recovery: while a server or the network to it fails, every answer is one of the contract's, and
/// within 2 s after that the answers are right again, without a restart. A request that had not begun is retried within
/// its timeout; a request that may have committed never is.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class RecoveryTests(GatewayFixture fixture, ITestOutputHelper output)
{
    private const int Budget = 1000;
    private const int AnswerGrace = 500;
    private static readonly TimeSpan RecoveryTime = TimeSpan.FromSeconds(2);

    /// <summary>Longer than a timeout; otherwise all requests would only wait until it is over.</summary>
    private static readonly TimeSpan Outage = TimeSpan.FromSeconds(1.3);

    [Theory]
    [InlineData(ShutdownMode.Fast)]
    [InlineData(ShutdownMode.Immediate)]
    public async Task ServerRestarted_AnswersAreTheContractsAndRightAgainSoonAfter(ShutdownMode mode)
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        await GatewayFixture.ExecuteAsync(server.Dsn, "CREATE TABLE effects (id int)");
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={server.Dsn}", "--Gateway:Connections:default:PoolSize=4");
        var traffic = new Traffic(gateway);
        var callers = Enumerable.Range(0, 6).Select(_ => Task.Run(traffic.RunAsync)).ToArray();

        await traffic.UntilAnsweredAsync(100);
        await server.StopAsync(mode);
        await Task.Delay(Outage);
        await server.StartAgainAsync();
        var back = traffic.Clock.Elapsed;
        await Task.Delay(RecoveryTime + TimeSpan.FromSeconds(0.3));
        traffic.Stop();
        await Task.WhenAll(callers);

        Report(traffic, back);
        traffic.AssertContract();
        Assert.True(traffic.Sent.Any(sent => sent.Answer.Status != HttpStatusCode.OK), "Nobody has noticed that the server was gone.");
        var after = traffic.Sent.Where(sent => sent.At > back + RecoveryTime).ToList();
        Assert.NotEmpty(after);
        foreach (var sent in after)
            sent.Answer.Expect(HttpStatusCode.OK);
        await AssertEffectsAsync(server.Dsn, "effects", traffic.Sent);
    }

    [Theory]
    [InlineData("query", "SELECT pg_backend_pid()")]
    [InlineData("execute", "INSERT INTO ended_idle VALUES (1) RETURNING pg_backend_pid()")]
    public async Task BackendsTerminatedWhileIdle_AreNotSeenByTheNextRequest(string endpoint, string sql)
    {
        await fixture.ExecuteAsync("CREATE TABLE IF NOT EXISTS ended_idle (a int)");
        await fixture.ExecuteAsync("TRUNCATE ended_idle");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, fixture.Dsn);

        var seen = new HashSet<int>();
        for (var round = 0; round < 5; round++)
        {
            await backends.TerminateAsync();
            var answer = await SendAsync(gateway, endpoint, sql);
            Assert.True(seen.Add(answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0][0].GetInt32()));
        }
        Assert.Equal(endpoint == "query" ? 0 : 5, await backends.ReadAsync<long>("SELECT count(*) FROM ended_idle"));
    }

    [Fact]
    public async Task BackendTerminatedWhileItRuns_IsAnsweredAndNotRunAgain()
    {
        await fixture.ExecuteAsync("CREATE SEQUENCE begun; CREATE TABLE ended_running (n bigint)");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, fixture.Dsn);

        // A sequence counts the runs, because a rollback does not undo its increments.
        var running = SendAsync(
            gateway, "execute", "INSERT INTO ended_running SELECT nextval('begun') + length(pg_sleep(20)::text)", 4000);
        await Poll.UntilAsync(() => backends.ReadAsync<bool>("SELECT is_called FROM begun"));
        await backends.TerminateAsync();
        var answer = await running;

        Assert.Equal(1, await backends.ReadAsync<long>("SELECT last_value FROM begun"));
        var problem = answer.ExpectProblem(503, "database_unavailable");
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(0, await backends.ReadAsync<long>("SELECT count(*) FROM ended_running"));
        (await SendAsync(gateway, "query", "SELECT 1")).Expect(HttpStatusCode.OK);
        Assert.Equal(1, await backends.ReadAsync<long>("SELECT last_value FROM begun"));
    }

    [Fact]
    public async Task RolesConnectionLimitReached_IsUnavailableWhileItLasts()
    {
        var role = $"limited_{Guid.NewGuid():N}";
        await fixture.ExecuteAsync($"CREATE ROLE {role} LOGIN PASSWORD 'limited'");
        var dsn = new NpgsqlConnectionStringBuilder(Dsns.Dsn.Parse(fixture.Dsn).ConnectionString)
        {
            Username = role,
            Password = "limited",
        }.ConnectionString;
        await using (var backends = await Backends.WatchAsync(fixture.Dsn))
        {
            await using var gateway = await StartAsync(backends, dsn);
            await backends.ExecuteAsync($"ALTER ROLE {role} CONNECTION LIMIT 3");
            await backends.TerminateAsync();
            var others = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => GatewayFixture.OpenAsync(dsn)));

            for (var round = 0; round < 2; round++)
            {
                var clock = Stopwatch.StartNew();
                var problem = (await SendAsync(gateway, "execute", "SELECT 1", 3 * Budget)).ExpectProblem(503, "database_unavailable");
                Assert.InRange(clock.ElapsedMilliseconds, 0, (3 * Budget) + AnswerGrace);
                Assert.Equal("no", problem.GetProperty("committed").GetString());
                Assert.Contains("53300", problem.GetRawText());
            }

            foreach (var other in others)
                await other.DisposeAsync();
            await AssertRightWithinAsync(gateway, Stopwatch.StartNew());
        }
        await fixture.ExecuteAsync($"DROP ROLE {role}");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task IdleConnectionsCutByAFirewall_AreNotWaitedFor(bool reset)
    {
        var table = $"cut_idle_{reset}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (id int)");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);
        // All sessions of the pool at the same time, so that each of them is cut.
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => SendAsync(gateway, "query", "SELECT pg_sleep(0.2)")));
        await Task.Delay(TimeSpan.FromSeconds(1.3));
        proxy.SetExisting(reset ? new Reset() : new BlackHole());

        var clock = Stopwatch.StartNew();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(id => id % 2 == 0
            ? SendAsync(gateway, "query", "SELECT 1", 10_000)
            : SendAsync(gateway, "execute", $"INSERT INTO {table} VALUES ({id})", 10_000)));
        output.WriteLine($"all answered after {clock.ElapsedMilliseconds} ms");

        foreach (var answer in answers)
            answer.Expect(HttpStatusCode.OK);
        Assert.True(clock.Elapsed <= RecoveryTime, $"The answers took {clock.ElapsedMilliseconds} ms.");
        Assert.Equal("1,3,5,7", await backends.ReadAsync<string>($"SELECT string_agg(id::text, ',' ORDER BY id) FROM {table}"));
    }

    [Fact]
    public async Task AnswerToCommitDropped_IsNeverSentAgain()
    {
        await fixture.ExecuteAsync("CREATE TABLE dropped_commits (id int)");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);
        proxy.Set(new DropCommitAnswer(Reset: true));

        await Task.WhenAll(Enumerable.Range(0, 12).Select(async id =>
        {
            var answer = await SendAsync(gateway, "execute", $"INSERT INTO dropped_commits VALUES ({id})", 5000);
            Assert.Equal("unknown", answer.ExpectProblem(503, "outcome_unknown").GetProperty("committed").GetString());
        }));

        Assert.Equal(12, proxy.CommitAnswersDropped);
        proxy.Set(Fault.None);
        await AssertRightWithinAsync(gateway, Stopwatch.StartNew());
        Assert.Equal(
            (12, 12),
            ((int)await backends.ReadAsync<long>("SELECT count(*) FROM dropped_commits"),
                (int)await backends.ReadAsync<long>("SELECT count(DISTINCT id) FROM dropped_commits")));
    }

    /// <summary>The gateway, and not Npgsql, reads a large value in parts.</summary>
    [Theory]
    [InlineData("query", false)]
    [InlineData("query", true)]
    [InlineData("execute", false)]
    [InlineData("execute", true)]
    public async Task ConnectionCutWithinAValue_IsUnavailableAndNothingCommitted(string endpoint, bool resets)
    {
        const int Length = 1_000_000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);
        proxy.SetExisting(new CutAfter(Length / 2, Direction.ToClient, resets));

        var answer = await SendAsync(gateway, endpoint, $"SELECT repeat('x', {Length})", 5000);

        Assert.Equal("no", answer.ExpectProblem(503, "database_unavailable").GetProperty("committed").GetString());
        (await SendAsync(gateway, "query", "SELECT 1")).Expect(HttpStatusCode.OK);
    }

    /// <summary>The connection breaks at any point of a request. The answer must agree with the data.</summary>
    [Fact]
    public async Task ConnectionCutAnywhere_IsAnsweredByWhatIsTrue()
    {
        const int Rounds = 160;
        await fixture.ExecuteAsync("CREATE TABLE cut_anywhere (id int, run bigserial)");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);

        var sent = new List<Sent>();
        for (var id = 0; id < Rounds; id++)
        {
            var direction = random.Next(2) == 0 ? Direction.ToServer : Direction.ToClient;
            // About the number of bytes that a request sends and receives.
            proxy.SetExisting(new CutAfter(random.Next(direction == Direction.ToServer ? 500 : 400), direction));
            var answer = await SendAsync(gateway, "execute", $"INSERT INTO cut_anywhere VALUES ({id}) RETURNING id", 5000);
            sent.Add(new Sent(id, TimeSpan.Zero, TimeSpan.Zero, answer));
        }
        proxy.SetExisting(Fault.None);

        output.WriteLine(string.Join(", ", sent.GroupBy(Outcome).Select(group => $"{group.Count()} {group.Key}")));
        await backends.UntilFreeAsync(Stopwatch.StartNew());
        output.WriteLine($"run {await backends.ReadAsync<long>("SELECT last_value FROM cut_anywhere_run_seq")} times");
        await AssertEffectsAsync(fixture.Dsn, "cut_anywhere", sent);
        Assert.DoesNotContain(sent, request => Outcome(request) == "internal");
        // Otherwise no cut has hit a COMMIT.
        Assert.Contains(sent, request => Outcome(request) == "outcome_unknown");
        Assert.Contains(sent, request => Outcome(request) == "OK");
    }

    /// <summary>Starts a gateway with at most four sessions, of which it has used one.</summary>
    private static async Task<RunningGateway> StartAsync(Backends backends, string dsn)
    {
        var gateway = await RunningGateway.StartAsync(
            $"--DSN={backends.Named(dsn)}", "--Gateway:Connections:default:PoolSize=4", "--Gateway:ReadinessIntervalMs=60000");
        (await SendAsync(gateway, "query", "SELECT 1")).Expect(HttpStatusCode.OK);
        return gateway;
    }

    private static Task<Answer> SendAsync(RunningGateway gateway, string endpoint, string sql, int timeoutMs = Budget) =>
        gateway.Client.PostAsync(endpoint, endpoint == "query"
            ? new { activityId = "recovery", sql, timeoutMs, rowFormat = "array" }
            : new { activityId = "recovery", sql, timeoutMs, rowFormat = "array", delivery = "at-least-once" });

    private static async Task AssertRightWithinAsync(RunningGateway gateway, Stopwatch clock)
    {
        var (last, _) = await Poll.TryReadAsync(
            async () => (Began: clock.Elapsed, Answer: await SendAsync(gateway, "query", "SELECT 1")),
            one => one.Answer.Status == HttpStatusCode.OK || one.Began > RecoveryTime);
        Assert.True(
            last.Answer.Status == HttpStatusCode.OK,
            $"After {last.Began.TotalSeconds:0.0} s there still comes {last.Answer.Text}");
    }

    /// <summary>Asserts that each request has the effect that its answer claims, and never two.</summary>
    private static async Task AssertEffectsAsync(string dsn, string table, IEnumerable<Sent> sent)
    {
        var effects = new ConcurrentDictionary<int, int>();
        await using var connection = await GatewayFixture.OpenAsync(dsn);
        await using var command = new NpgsqlCommand($"SELECT id, count(*)::int FROM {table} GROUP BY id", connection);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            effects[reader.GetInt32(0)] = reader.GetInt32(1);

        foreach (var request in sent.Where(request => request.Id is not null))
        {
            var times = effects.GetValueOrDefault(request.Id!.Value);
            var (least, most) = request.Answer.Status == HttpStatusCode.OK
                ? (1, 1)
                : request.Answer.Json.GetProperty("committed").GetString() switch
                {
                    "no" => (0, 0),
                    "unknown" => (0, 1),
                    _ => (1, 1),
                };
            Assert.True(
                times >= least && times <= most, $"Request {request.Id} has had its effect {times} times, and was told: {request.Answer.Text}");
        }
    }

    private static string Outcome(Sent request) => request.Answer.Status == HttpStatusCode.OK
        ? "OK"
        : request.Answer.Json.GetProperty("code").GetString()!;

    private void Report(Traffic traffic, TimeSpan back)
    {
        output.WriteLine($"back at {back.TotalSeconds:0.00} s");
        foreach (var group in traffic.Sent.GroupBy(Outcome))
        {
            output.WriteLine(
                $"{group.Key}: {group.Count()}, sent from {group.Min(sent => sent.At).TotalSeconds:0.00} s "
                + $"to {group.Max(sent => sent.At).TotalSeconds:0.00} s, at most {group.Max(sent => sent.Took).TotalMilliseconds:0} ms");
        }
    }

    /// <param name="Id">The row that it inserts; null if it only reads.</param>
    /// <param name="At">When it was sent.</param>
    /// <param name="Took">The time until its answer was read.</param>
    /// <param name="Answer">The answer.</param>
    private sealed record Sent(int? Id, TimeSpan At, TimeSpan Took, Answer Answer);

    /// <summary>Runs callers that read and write in turn, without a pause, and records all answers.</summary>
    private sealed class Traffic(RunningGateway gateway)
    {
        private readonly ConcurrentQueue<Sent> _sent = new();
        private volatile bool _stopped;
        private int _last;

        public Stopwatch Clock { get; } = Stopwatch.StartNew();

        public IReadOnlyCollection<Sent> Sent => _sent;

        public void Stop() => _stopped = true;

        public async Task RunAsync()
        {
            while (!_stopped)
            {
                await SendOneAsync(null, "query", "SELECT 1");
                var id = Interlocked.Increment(ref _last);
                await SendOneAsync(id, "execute", $"INSERT INTO effects VALUES ({id})");
                // Without a pause the callers would leave no processor time to the server.
                await Task.Delay(5);
            }
        }

        public Task UntilAnsweredAsync(int requests) => Poll.UntilAsync(() => _sent.Count >= requests);

        /// <summary>Asserts that each answer is right or a retryable problem, and came in time.</summary>
        public void AssertContract()
        {
            foreach (var (_, at, took, answer) in _sent)
            {
                Assert.True(
                    took.TotalMilliseconds <= Budget + AnswerGrace,
                    $"The request of {at.TotalSeconds:0.00} s took {took.TotalMilliseconds:0} ms: {answer.Text}");
                if (answer.Status == HttpStatusCode.OK)
                    continue;
                var code = answer.Json.GetProperty("code").GetString()!;
                Assert.Contains(code, new[] { "database_unavailable", "deadline_exceeded", "outcome_unknown" });
                answer.ExpectProblem(code == "deadline_exceeded" ? 504 : 503, code);
            }
        }

        private async Task SendOneAsync(int? id, string endpoint, string sql)
        {
            var at = Clock.Elapsed;
            var answer = await SendAsync(gateway, endpoint, sql);
            _sent.Enqueue(new Sent(id, at, Clock.Elapsed - at, answer));
        }
    }
}
