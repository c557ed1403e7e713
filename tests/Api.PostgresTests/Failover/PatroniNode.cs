using System.Net;
using System.Text;
using Npgsql;

namespace Gateway.Api.PostgresTests.Failover;

/// <summary>
/// Represents a node of a cluster: Patroni, and the PostgreSQL that it runs. All others reach the node through proxies,
/// and it reaches etcd through one, so that it can be cut off from the network.
/// </summary>
internal sealed class PatroniNode : IAsyncDisposable
{
    private readonly string _folder;
    private readonly string _name;
    private readonly int _port = Ports.PickFree();
    private readonly int _restPort = Ports.PickFree();
    private readonly HangingProxy _server;
    private readonly HangingProxy _replication;
    private readonly HangingProxy _rest;
    private readonly HangingProxy _etcd;
    private readonly HttpClient _http;
    private ClientProcess? _patroni;

    /// <param name="folder">The cluster's folder.</param>
    /// <param name="name">The node's name.</param>
    /// <param name="etcdPort">The port of etcd.</param>
    public PatroniNode(string folder, string name, int etcdPort)
    {
        _folder = folder;
        _name = name;
        _server = new HangingProxy("127.0.0.1", _port);
        _replication = new HangingProxy("127.0.0.1", _port);
        _rest = new HangingProxy("127.0.0.1", _restPort);
        _etcd = new HangingProxy("127.0.0.1", etcdPort);
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_restPort}"), Timeout = TimeSpan.FromSeconds(60) };
    }

    public string Name => _name;

    /// <summary>Gets the port that clients reach PostgreSQL by.</summary>
    public int Port => _server.Port;

    /// <summary>Gets the port that the network reaches Patroni by.</summary>
    public int RestPort => _rest.Port;

    /// <summary>Gets a superuser's DSN, which does not lead through the network.</summary>
    public string Dsn =>
        $"Host=127.0.0.1;Port={_port};Username=postgres;Password={PatroniCluster.Password};Database=postgres;Timeout=5";

    /// <summary>Gets what Patroni and PostgreSQL have printed.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string LogFile => Path.Combine(_folder, $"{_name}.log");

    private string DataFolder => Path.Combine(_folder, _name, "data");

    /// <summary>Starts Patroni, which initializes, clones, rewinds or starts PostgreSQL.</summary>
    public async Task StartAsync()
    {
        if (_patroni is not null)
            await _patroni.DisposeAsync();
        var file = Path.Combine(_folder, $"{_name}.yml");
        await File.WriteAllTextAsync(file, Configuration());
        // PostgreSQL outlives Patroni, and would keep a pipe open.
        _patroni = new ClientProcess(_folder, "bash",
        [
            "-c", "exec \"$@\" >>\"$0\" 2>&1", LogFile,
            "timeout", .. ClientProcess.Bound, .. PatroniCluster.AsUser,
            "/usr/bin/python3", DebianProgram.PathOf("patroni"), file,
        ],
        DebianProgram.Environment);
    }

    /// <summary>Asks Patroni, and returns whether the answer is 200.</summary>
    /// <param name="path">One of its health checks, such as <c>primary</c>.</param>
    public async Task<bool> IsAsync(string path)
    {
        try
        {
            using var answer = await _http.GetAsync($"/{path}");
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            // It does not run.
            return false;
        }
    }

    /// <summary>Sends a command to Patroni.</summary>
    public async Task SendAsync(HttpMethod method, string path, string json)
    {
        using var request = new HttpRequestMessage(method, $"/{path}");
        request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await _http.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Stops Patroni as an administrator does. It stops PostgreSQL first.</summary>
    public async Task TerminateAsync()
    {
        // timeout passes the signal on.
        await PatroniCluster.SignalAsync("TERM", $"{_patroni!.Id}");
        await _patroni.WaitForExitAsync();
    }

    /// <summary>Kills PostgreSQL, as a machine that runs out of memory may.</summary>
    public async Task KillServerAsync() => await PatroniCluster.SignalAsync("KILL", await PostmasterIdAsync());

    /// <summary>Kills Patroni and PostgreSQL, as if the machine had failed.</summary>
    public async Task KillAsync()
    {
        var postmaster = await PostmasterIdAsync();
        await _patroni!.KillAsync();
        await PatroniCluster.SignalAsync("KILL", postmaster);
    }

    /// <summary>Holds what it sends to its standby, as if that lagged.</summary>
    public void HoldReplication() => _replication.Hang();

    /// <summary>Cuts the node off: what is sent to it, and what it sends, does not arrive.</summary>
    public void CutOff()
    {
        _server.Hang();
        _replication.Hang();
        _rest.Hang();
        _etcd.Hang();
    }

    /// <summary>Ends the cut, or the hold. What was sent meanwhile arrives now, if its connection is still open.</summary>
    public void Reconnect()
    {
        _server.Recover();
        _replication.Recover();
        _rest.Recover();
        _etcd.Recover();
    }

    /// <summary>Reads one value from its PostgreSQL.</summary>
    public async Task<T> ReadAsync<T>(string sql)
    {
        await using var session = await GatewayFixture.OpenAsync(Dsn);
        await using var command = new NpgsqlCommand(sql, session);
        return await command.ExecuteScalarAsync() is T value ? value : default!;
    }

    /// <summary>Reads whether this is the primary; false if its PostgreSQL does not answer.</summary>
    public async Task<bool> IsPrimaryAsync()
    {
        try
        {
            return await ReadAsync<bool>("SELECT NOT pg_is_in_recovery()");
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    /// <summary>Waits until this standby is the primary, and returns when it was.</summary>
    public async Task<DateTimeOffset> PromotionAsync()
    {
        await using var session = await GatewayFixture.OpenAsync(Dsn);
        await using var command = new NpgsqlCommand("SELECT NOT pg_is_in_recovery()", session);
        await Poll.UntilAsync(async () => (bool)(await command.ExecuteScalarAsync())!, TimeSpan.FromSeconds(60));
        return TimeProvider.System.GetUtcNow();
    }

    public async ValueTask DisposeAsync()
    {
        Reconnect();
        if (_patroni is not null)
            await _patroni.DisposeAsync();
        if (await FindServerAsync() is { } id)
        {
            await PatroniCluster.SignalAsync("QUIT", id);
            await Poll.UntilAsync(async () => await FindServerAsync() is null);
        }
        await _server.DisposeAsync();
        await _replication.DisposeAsync();
        await _rest.DisposeAsync();
        await _etcd.DisposeAsync();
        _http.Dispose();
    }

    private async Task<string> PostmasterIdAsync() =>
        (await File.ReadAllLinesAsync(Path.Combine(DataFolder, "postmaster.pid")))[0];

    /// <summary>Returns the process ID of the postmaster; null if it does not run. Its file stays after a kill.</summary>
    private async Task<string?> FindServerAsync()
    {
        if (!File.Exists(Path.Combine(DataFolder, "postmaster.pid")))
            return null;
        var id = await PostmasterIdAsync();
        return Directory.Exists($"/proc/{id}") && new DirectoryInfo($"/proc/{id}/cwd").LinkTarget == DataFolder ? id : null;
    }

    private string Configuration() => $$"""
        scope: gateway
        name: {{_name}}
        restapi: {listen: '127.0.0.1:{{_restPort}}', connect_address: '127.0.0.1:{{RestPort}}' }
        # Else Patroni asks etcd for its own address, and goes around the proxy.
        etcd3: {use_proxies: true, hosts: ['127.0.0.1:{{_etcd.Port}}']}
        bootstrap:
          dcs:
            ttl: 10
            loop_wait: 1
            retry_timeout: 3
            # A primary whose PostgreSQL has died is replaced, and not started again.
            primary_start_timeout: 0
            # A standby is promoted however far it lags.
            maximum_lag_on_failover: 1073741824
            synchronous_mode: true
            postgresql: {use_pg_rewind: true, parameters: {wal_level: replica, hot_standby: 'on', max_connections: 200, fsync: 'off'} }
          initdb: [{encoding: UTF8}, {locale: C.UTF-8}, data-checksums]
        postgresql:
          listen: 127.0.0.1:{{_port}}
          connect_address: 127.0.0.1:{{_replication.Port}}
          data_dir: {{DataFolder}}
          bin_dir: {{PatroniCluster.ServerPrograms}}
          pgpass: {{Path.Combine(_folder, _name, "pgpass")}}
          authentication:
            superuser: {username: postgres, password: {{PatroniCluster.Password}} }
            replication: {username: replicator, password: {{PatroniCluster.Password}} }
            rewind: {username: rewinder, password: {{PatroniCluster.Password}} }
          parameters: {unix_socket_directories: {{Path.Combine(_folder, _name)}}, shared_buffers: 16MB }
          pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 scram-sha-256', 'host replication replicator 127.0.0.1/32 scram-sha-256']
        """;
}
