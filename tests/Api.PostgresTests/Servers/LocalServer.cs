namespace Gateway.Api.PostgresTests.Servers;

/// <summary>Runs a server of this machine's binaries, or npm's.</summary>
internal sealed class LocalServer : TestServer
{
    private readonly LocalPostgresServer _server;

    private LocalServer(LocalPostgresServer server) => _server = server;

    public override string Way => $"PostgreSQL {_server.ServerVersion} of {_server.Way}";

    public override string Dsn => _server.Dsn;

    public static async Task<LocalServer> StartLocalAsync() => new(await LocalPostgresServer.StartTemporaryAsync(
        new Dictionary<string, string>
        {
            // Each test has a database of its own, and a process would look at one after the other all the time.
            ["autovacuum"] = "off",
        }));

    public override Task KillAsync() => _server.StopAsync(ShutdownMode.Immediate);

    public override Task StartAgainAsync() => _server.StartAgainAsync();

    public override async Task PauseAsync()
    {
        // The postmaster first, so that it starts no process that is not stopped.
        await SignalAsync("kill", "-STOP");
        await SignalAsync("pkill", "-STOP", "-P");
    }

    public override async Task ResumeAsync()
    {
        await SignalAsync("pkill", "-CONT", "-P");
        await SignalAsync("kill", "-CONT");
    }

    public override ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>Sends a signal to the postmaster, or by <c>-P</c> to its children.</summary>
    private async Task SignalAsync(string program, params string[] arguments)
    {
        var postmaster = File.ReadLines(Path.Combine(_server.Folder, "data", "postmaster.pid")).First();
        await using var process = new ClientProcess(_server.Folder, program, [.. arguments, postmaster]);
        Assert.Equal(0, await process.WaitForExitAsync());
    }
}
