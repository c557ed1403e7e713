using System.Collections.Concurrent;
using Gateway.Api.PostgresTests.Engines;
using Gateway.Api.PostgresTests.Poolers;
using Gateway.Client;
using Npgsql;

using TypedClient = Gateway.Client.GatewayClient;

namespace Gateway.Api.PostgresTests.Failover;

/// <summary>
/// Writes to a cluster without a pause: by three ways to its primary, with two kinds of clients on each, and a third
/// kind, DBOS, on one of them if asked for. Each writer sends an activity until it is answered, as an engine does.
/// </summary>
internal sealed class FailoverLoad : IAsyncDisposable
{
    /// <summary>The first total of the orders that DBOS places; the demo's are less.</summary>
    private const int FirstTotal = 1_000_000;

    /// <summary>A part of the names of writers whose writes must be on a standby.</summary>
    private const string Durable = "durable";

    private const string Insert = "INSERT INTO effects (activity) VALUES ($1) RETURNING activity, at::text";

    private readonly PatroniCluster _cluster;
    private readonly LoginRole _role;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Way> _ways = [];
    private readonly List<Writer> _writers = [];
    private PgBouncer? _pooler;

    private FailoverLoad(PatroniCluster cluster, LoginRole role) => (_cluster, _role) = (cluster, role);

    /// <summary>
    /// Gets or sets whether <see cref="ProgressAsync"/> waits for the writers whose writes must be on a standby.
    /// </summary>
    public bool AwaitsDurable { get; set; } = true;

    /// <summary>Gets the answers so far, of all gateways.</summary>
    public IEnumerable<Answer> Answers => _ways.SelectMany(way => way.Front.Exchanges).Select(exchange => exchange.Answer!);

    /// <summary>Gets the activities that were answered, in all writers.</summary>
    public IReadOnlyList<string> Acknowledged => [.. _writers.SelectMany(writer => writer.Acknowledged).Select(one => one.Activity)];

    /// <summary>Creates the table and the role for the writers. They end with the cluster.</summary>
    public static async Task<LoginRole> PrepareAsync(PatroniCluster cluster)
    {
        var admin = (await cluster.LeaderAsync()).Dsn;
        await GatewayFixture.ExecuteAsync(admin, "CREATE TABLE effects (activity text, at timestamptz DEFAULT clock_timestamp())");
        await GatewayFixture.CreateDemoAsync(admin);
        var role = await LoginRole.CreateAsync(admin, "");
        await role.InstallJournalAsync();
        await GatewayFixture.ExecuteAsync(
            admin, $"GRANT ALL ON effects, orders TO {role.Name}; GRANT pg_read_all_stats TO {role.ControlName}");
        return role;
    }

    /// <summary>Starts the gateways and the writers.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="role">The role that they write as.</param>
    /// <param name="name">The start of their activities' IDs.</param>
    /// <param name="dbos">The database for DBOS's own tables; null for no writer with DBOS.</param>
    /// <param name="hasDurable">Whether there are also writers whose writes must be on a standby.</param>
    public static async Task<FailoverLoad> StartAsync(
        PatroniCluster cluster, LoginRole role, string name, string? dbos = null, bool hasDurable = false)
    {
        var load = new FailoverLoad(cluster, role);
        try
        {
            await load.StartAsync(name, dbos, hasDurable);
            return load;
        }
        catch
        {
            await load.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until every writer has got some more answers.</summary>
    public async Task ProgressAsync()
    {
        const int Some = 3;
        var before = _writers.ConvertAll(writer => writer.Acknowledged.Count);
        try
        {
            await Poll.UntilAsync(
                () => Stuck().Length == 0 || _writers.Any(writer => writer.Running.IsFaulted), TimeSpan.FromSeconds(60));
            foreach (var writer in _writers.Where(writer => writer.Running.IsFaulted))
                await writer.Running;
        }
        catch (TimeoutException)
        {
            var last = _ways.SelectMany(way => way.Front.Exchanges.TakeLast(2)).Select(exchange => exchange.Answer!.Text);
            throw new TimeoutException($"No more answers for {string.Join(", ", Stuck())}. The last were:\n{string.Join('\n', last)}");
        }

        string[] Stuck() =>
        [
            .. _writers.Where((writer, index) => writer.Acknowledged.Count < before[index] + Some)
                .Select(writer => writer.Name).Where(name => AwaitsDurable || !IsDurable(name)),
        ];
    }

    /// <summary>Returns whether a writer, or its activity, must be on a standby.</summary>
    public static bool IsDurable(string name) => name.Contains($"/{Durable}/", StringComparison.Ordinal);

    /// <summary>Returns the time without an answer since a moment, for each writer.</summary>
    /// <param name="since">The moment.</param>
    public string Report(DateTimeOffset since) => string.Join(", ", _writers.Select(writer =>
    {
        var times = writer.Acknowledged.Select(one => one.At).Where(at => at >= since).Order().ToArray();
        if (times.Length == 0)
            return $"{writer.Name} no answer";
        var gap = times.Prepend(since).Zip(times, (before, after) => after - before).Max();
        return $"{writer.Name} {gap.TotalSeconds:0.0} s";
    }));

    /// <summary>Returns the time from a moment to the first answer after it, for each writer.</summary>
    public string FirstAfter(DateTimeOffset moment) => string.Join(", ", _writers.Select(writer =>
    {
        var first = writer.Acknowledged.Select(one => one.At).Where(at => at >= moment).DefaultIfEmpty(DateTimeOffset.MaxValue).Min();
        return first == DateTimeOffset.MaxValue
            ? $"{writer.Name} no answer"
            : $"{writer.Name} {(first - moment).TotalSeconds:0.0} s";
    }));

    /// <summary>Ends the writers. What they have sent last may not have been answered.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_writers.Select(writer => writer.Running));
    }

    /// <summary>Sends the activity of a writer other than DBOS again by the first way, and returns the answer.</summary>
    public Task<Answer> SendAgainAsync(string activity) => _ways[0].Gateway.Client.PostAsync(
        "execute", new { activityId = activity, sql = Insert, parameters = new[] { activity } });

    /// <summary>Returns the number of effects of each activity.</summary>
    public async Task<IReadOnlyDictionary<string, long>> EffectsAsync()
    {
        await using var session = await GatewayFixture.OpenAsync((await _cluster.LeaderAsync()).Dsn);
        return await GatewayFixture.ReadCountsAsync(
            session,
            $"""
            SELECT activity, count(*) FROM effects GROUP BY activity
            UNION ALL SELECT 'DBOS/' || total::int, count(*) FROM orders WHERE total >= {FirstTotal} GROUP BY total
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var writer in _writers)
        {
            // A test that goes by their answers has called StopAsync.
            await writer.Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        foreach (var way in _ways)
        {
            await way.Front.DisposeAsync();
            await way.Gateway.DisposeAsync();
        }
        if (_pooler is not null)
            await _pooler.DisposeAsync();
        _stop.Dispose();
    }

    private async Task StartAsync(string name, string? dbos, bool hasDurable)
    {
        var hosts = string.Join(',', _cluster.Nodes.Select(node => $"127.0.0.1:{node.Port}"));
        await AddAsync($"{name}/hosts", LeadToHosts);
        if (hasDurable)
            await AddAsync($"{name}/{Durable}", LeadToHosts, "--Gateway:Connections:default:Durability=synchronous");
        await AddAsync($"{name}/HAProxy", builder => builder.Port = _cluster.ProxyPort);
        var admin = (await _cluster.LeaderAsync()).Dsn;
        _pooler = await PgBouncer.StartAsync(
            new NpgsqlConnectionStringBuilder(admin) { Port = _cluster.ProxyPort }.ConnectionString, settings: "server_lifetime = 0");
        await AddAsync($"{name}/PgBouncer", builder => builder.Port = _pooler.Port);
        if (dbos is not null)
            _writers.Add(Writer.Start("DBOS", writer => WriteByDbosAsync(_ways[0].Front.Address, dbos, name, writer)));

        void LeadToHosts(NpgsqlConnectionStringBuilder builder)
        {
            builder.Remove("Port");
            builder.Host = hosts;
            builder.TargetSessionAttributes = "primary";
        }
    }

    private async Task AddAsync(string name, Action<NpgsqlConnectionStringBuilder> lead, params string[] settings)
    {
        var gateway = await RunningGateway.StartAsync(
        [
            $"--DSN={Lead(_role.Dsn)}", $"--Gateway:Connections:default:ControlDsn={Lead(_role.ControlDsn)}",
            .. settings,
        ]);
        var way = new Way(gateway, await GatewayFront.StartAsync(gateway.Address));
        _ways.Add(way);
        _writers.Add(Writer.Start($"{name}/.NET", writer => WriteAsync(way.Front.Address, writer)));
        _writers.Add(Writer.Start($"{name}/Python", writer => WriteInPythonAsync(way.Front.Address, writer)));

        string Lead(string dsn)
        {
            var builder = new NpgsqlConnectionStringBuilder(dsn);
            lead(builder);
            return builder.ConnectionString;
        }
    }

    private async Task WriteAsync(Uri gateway, Writer writer)
    {
        using var client = new TypedClient(new GatewayClientOptions { Address = gateway, Tries = 2 });
        for (var number = 0; !_stop.IsCancellationRequested; number++)
        {
            var activity = $"{writer.Name}/{number}";
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    await client.ExecuteAsync(new()
                    {
                        ActivityId = activity,
                        Sql = Insert,
                        Parameters = StatementParameters.From(new[] { activity }),
                        TimeoutMs = 5000,
                    });
                    writer.Acknowledge(activity);
                    break;
                }
                catch (GatewayException error) when (error.Retryable)
                {
                    // The engine runs the activity again.
                }
            }
            await Task.Delay(100);
        }
    }

    private async Task WriteInPythonAsync(Uri gateway, Writer writer)
    {
        var script = Repository.PathOf("tests/clients/failover/writer.py");
        await using var python = new ClientProcess(
            Path.GetDirectoryName(script)!, "timeout",
            [
                .. ClientProcess.Bound, "python3", "-u", script, Repository.PathOf("examples/python"), $"{gateway}",
                writer.Name,
            ]);
        var read = 0;
        while (!_stop.IsCancellationRequested)
        {
            var output = python.Output;
            while (output.IndexOf('\n', read) is var end and >= 0)
            {
                writer.Acknowledge(output[read..end].TrimEnd().Replace("done ", "", StringComparison.Ordinal));
                read = end + 1;
            }
            Assert.True(python.Errors.Length == 0, python.Errors);
            await Task.Delay(20);
        }
    }

    /// <summary>Places orders, each by a workflow that retries as its example does.</summary>
    private async Task WriteByDbosAsync(Uri gateway, string database, string name, Writer writer)
    {
        var folder = await NpmFolder.InstallAsync("examples/dbos");
        var environment = new Dictionary<string, string>
        {
            ["GATEWAY_URL"] = gateway.ToString(),
            ["DBOS_SYSTEM_DATABASE_URL"] = database,
            ["DBOS__VMID"] = name,
        };
        for (var total = FirstTotal; !_stop.IsCancellationRequested; total++)
        {
            await using var worker = new ClientProcess(
                folder, "node", ["place_order.mjs", $"{name}/{total}", "1", $"{total}"], environment);
            var code = await worker.WaitForExitAsync();
            Assert.True(code == 0, worker.Errors);
            writer.Acknowledge($"DBOS/{total}");
        }
    }

    private sealed record Way(RunningGateway Gateway, GatewayFront Front);

    /// <summary>Represents a program that writes.</summary>
    private sealed class Writer
    {
        private Writer(string name) => Name = name;

        public string Name { get; }

        public ConcurrentQueue<(string Activity, DateTimeOffset At)> Acknowledged { get; } = new();

        /// <summary>Gets the task of the program. It fails if an answer says that the activity has failed for good.</summary>
        public Task Running { get; private set; } = Task.CompletedTask;

        public static Writer Start(string name, Func<Writer, Task> write)
        {
            var writer = new Writer(name);
            writer.Running = Task.Run(() => write(writer));
            return writer;
        }

        public void Acknowledge(string activity) => Acknowledged.Enqueue((activity, TimeProvider.System.GetUtcNow()));
    }
}
