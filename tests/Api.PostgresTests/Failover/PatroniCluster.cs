using System.Diagnostics;

namespace Gateway.Api.PostgresTests.Failover;

/// <summary>
/// Runs etcd, two nodes of Patroni in synchronous mode, and HAProxy, which leads to the primary; all on loopback.
/// </summary>
internal sealed class PatroniCluster : IAsyncDisposable
{
    /// <summary>The password of the cluster's own roles.</summary>
    public const string Password = "patroni";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-patroni-").FullName;
    private readonly int _etcdPort = Ports.PickFree();
    private ClientProcess? _etcd;
    private ClientProcess? _proxy;

    private PatroniCluster() => Nodes = [new(_folder, "a", _etcdPort), new(_folder, "b", _etcdPort)];

    /// <summary>Gets the start of a command that runs as another user: PostgreSQL does not run as root.</summary>
    public static string[] AsUser { get; } = Environment.IsPrivilegedProcess
        ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
        : [];

    /// <summary>Gets the folder of the newest PostgreSQL with all programs; Patroni needs more than the server.</summary>
    public static string ServerPrograms { get; } =
        new[] { "/usr/lib/postgresql", Repository.PathOf(".local/debian/usr/lib/postgresql") }
            .Where(Directory.Exists)
            .SelectMany(Directory.GetDirectories)
            .OrderByDescending(folder => int.Parse(Path.GetFileName(folder)))
            .Select(folder => Path.Combine(folder, "bin"))
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "pg_rewind")))
        ?? throw new InvalidOperationException("The tests need PostgreSQL with pg_rewind, which .ci/install brings.");

    public IReadOnlyList<PatroniNode> Nodes { get; }

    /// <summary>Gets the port of HAProxy.</summary>
    public int ProxyPort { get; } = Ports.PickFree();

    /// <summary>Gets the last lines of both nodes' logs.</summary>
    public string Log => string.Join(
        '\n', Nodes.SelectMany(node => node.Log.Split('\n').TakeLast(40).Prepend($"{node.Name}:")));

    /// <summary>Starts a cluster, and waits until it has a primary and a synchronous standby.</summary>
    public static async Task<PatroniCluster> StartAsync()
    {
        var cluster = new PatroniCluster();
        try
        {
            await cluster.StartProgramsAsync();
            return cluster;
        }
        catch (Exception error)
        {
            var log = cluster.Log;
            await cluster.DisposeAsync();
            throw new InvalidOperationException($"The cluster did not start.\n{log}", error);
        }
    }

    /// <summary>Sends a signal to a process.</summary>
    public static async Task SignalAsync(string signal, string process)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Returns the node that takes writes now; waits until there is one.</summary>
    public Task<PatroniNode> LeaderAsync() => Poll.ReadAsync(FindLeaderAsync, leader => leader is not null, Patience)!;

    /// <summary>Returns the other node.</summary>
    public PatroniNode Other(PatroniNode node) => Nodes.Single(other => other != node);

    /// <summary>Waits until both nodes run: a primary, and a standby of the cluster's mode.</summary>
    public Task UntilCompleteAsync(bool isSynchronous = true) => Poll.UntilAsync(
        async () =>
        {
            var leader = await FindLeaderAsync();
            return leader is not null
                && await Other(leader).IsAsync(isSynchronous ? "synchronous" : "asynchronous");
        },
        Patience);

    /// <summary>Begins or ends synchronous replication.</summary>
    public async Task SetSynchronousAsync(bool isSynchronous)
    {
        var leader = await LeaderAsync();
        await leader.SendAsync(
            HttpMethod.Patch, "config", $"{{\"synchronous_mode\": {(isSynchronous ? "true" : "false")}}}");
        await UntilCompleteAsync(isSynchronous);
    }

    /// <summary>Returns the primary's timeline, which each promotion increases.</summary>
    public async Task<int> TimelineAsync() => await (await LeaderAsync()).ReadAsync<int>(
        "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int");

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (_proxy is not null)
                await _proxy.DisposeAsync();
            await Task.WhenAll(Nodes.Select(node => node.DisposeAsync().AsTask()));
        }
        finally
        {
            if (_etcd is not null)
                await _etcd.DisposeAsync();
        }
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<PatroniNode?> FindLeaderAsync()
    {
        foreach (var node in Nodes)
        {
            if (await node.IsAsync("primary") && await node.IsPrimaryAsync())
                return node;
        }
        return null;
    }

    private async Task StartProgramsAsync()
    {
        await RunAsync("chmod", "755", _folder);
        foreach (var node in Nodes)
            await MakeFolderAsync(Path.Combine(_folder, node.Name));
        var peer = $"http://127.0.0.1:{Ports.PickFree()}";
        var client = $"http://127.0.0.1:{_etcdPort}";
        _etcd = new ClientProcess(_folder, "timeout",
        [
            .. ClientProcess.Bound, DebianProgram.PathOf("etcd"), "--name", "etcd",
            "--data-dir", Path.Combine(_folder, "etcd"),
            "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", $"etcd={peer}",
        ]);
        await _etcd.WaitForAsync("ready to serve client requests");
        await Nodes[0].StartAsync();
        await LeaderAsync();
        await Nodes[1].StartAsync();
        await StartProxyAsync();
        await UntilCompleteAsync();
    }

    private async Task StartProxyAsync()
    {
        var file = Path.Combine(_folder, "haproxy.cfg");
        await File.WriteAllTextAsync(file, $"""
            defaults
                mode tcp
                timeout connect 2s
                timeout client 1h
                timeout server 1h
            listen primary
                bind 127.0.0.1:{ProxyPort}
                option httpchk OPTIONS /primary
                http-check expect status 200
                default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
                server a 127.0.0.1:{Nodes[0].Port} check port {Nodes[0].RestPort}
                server b 127.0.0.1:{Nodes[1].Port} check port {Nodes[1].RestPort}

            """);
        _proxy = new ClientProcess(
            _folder, "timeout", [.. ClientProcess.Bound, DebianProgram.PathOf("haproxy"), "-db", "-f", file]);
    }

    private Task MakeFolderAsync(string path)
    {
        string[] owner = Environment.IsPrivilegedProcess ? ["-o", "nobody", "-g", "nogroup"] : [];
        return RunAsync("install", ["-d", "-m", "700", .. owner, path]);
    }

    private async Task RunAsync(string program, params string[] arguments)
    {
        await using var process = new ClientProcess(_folder, program, arguments);
        Assert.Equal(0, await process.WaitForExitAsync());
    }
}
