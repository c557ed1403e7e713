namespace Gateway.Api.PostgresTests.Servers;

/// <summary>
/// Represents a PostgreSQL server that tests can kill and pause. This decides what the server is. Tests that need a
/// server's files or settings take a <see cref="LocalPostgresServer"/>.
/// </summary>
internal abstract class TestServer : IAsyncDisposable
{
    /// <summary>Gets what the server is, as a phrase for people.</summary>
    public abstract string Way { get; }

    /// <summary>Gets the DSN of the superuser.</summary>
    public abstract string Dsn { get; }

    /// <summary>
    /// Returns the server that most tests share, each with its own database: that of TEST_DSN, or a new one.
    /// </summary>
    public static async Task<TestServer> StartSharedAsync()
    {
        var server = Environment.GetEnvironmentVariable("TEST_DSN") is { } dsn
            ? new GivenServer(dsn)
            : await StartAsync();
        TestContext.Current.SendDiagnosticMessage("The tests' PostgreSQL is {0}.", server.Way);
        return server;
    }

    /// <summary>
    /// Starts a server without data: a container by Testcontainers, if a Docker-compatible engine answers; else a
    /// server of this machine's binaries, or npm's.
    /// </summary>
    public static async Task<TestServer> StartAsync() =>
        await ContainerServer.TryStartAsync() ?? (TestServer)await LocalServer.StartLocalAsync();

    /// <summary>Ends all processes of the server at once, as in a crash.</summary>
    public abstract Task KillAsync();

    /// <summary>Starts the server again, on the same port and data.</summary>
    public abstract Task StartAgainAsync();

    /// <summary>
    /// Stops all processes of the server where they are. Connections stay open, and nothing is answered: a client sees
    /// the same as behind a network that drops all packets.
    /// </summary>
    public abstract Task PauseAsync();

    /// <summary>Lets the processes go on.</summary>
    public abstract Task ResumeAsync();

    public abstract ValueTask DisposeAsync();
}
