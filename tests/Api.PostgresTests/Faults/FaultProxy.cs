using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>
/// A TCP proxy before a server, on a free loopback port, that simulates network faults. Existing and future connections
/// each have a <see cref="Fault"/>, which can be changed at any time. TLS is off, because the proxy reads the messages.
/// </summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly NpgsqlConnectionStringBuilder _server;
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<FaultLink> _links = [];
    private readonly Lock _turn = new();
    private readonly Random _random;
    private readonly Task _accepting;
    private Fault _new = Fault.None;
    private long _commitAnswersDropped;
    private long _answersReplaced;
    private long _roundTrips;
    private bool _disposed;

    private FaultProxy(string dsn, int seed)
    {
        _server = Api.Dsns.Dsn.Parse(dsn);
        _random = new Random(seed);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Endpoint = (IPEndPoint)_listener.LocalEndPoint!;
        Dsn = new NpgsqlConnectionStringBuilder(_server.ConnectionString)
        {
            Host = Endpoint.Address.ToString(),
            Port = Endpoint.Port,
            SslMode = SslMode.Disable,
            GssEncryptionMode = GssEncryptionMode.Disable,
        }.ConnectionString;
        _accepting = AcceptAsync();
    }

    /// <summary>Gets the DSN of the server through the proxy.</summary>
    public string Dsn { get; }

    public IPEndPoint Endpoint { get; }

    /// <summary>
    /// Gets the number of connections that neither side has closed, as far as the proxy forwards that.
    /// </summary>
    public int OpenConnections
    {
        get
        {
            lock (_turn)
                return _links.Count(link => !link.Closed);
        }
    }

    /// <summary>Gets the number of answers to COMMIT that were dropped.</summary>
    public long CommitAnswersDropped => Interlocked.Read(ref _commitAnswersDropped);

    /// <summary>Gets the number of the server's answers that were replaced by an error.</summary>
    public long AnswersReplaced => Interlocked.Read(ref _answersReplaced);

    /// <summary>Gets the number of times that clients waited for an answer.</summary>
    public long RoundTrips => Interlocked.Read(ref _roundTrips);

    /// <summary>Gets the number of round trips so far, and the number of open connections.</summary>
    public (long RoundTrips, int Connections) Seen => (RoundTrips, OpenConnections);

    /// <param name="dsn">The server's DSN, with one host and TCP.</param>
    /// <param name="seed">The seed of the delays; a test with delays prints it.</param>
    public static FaultProxy Start(string dsn, int seed = 0) => new(dsn, seed);

    /// <summary>Sets the fault of existing connections.</summary>
    public void SetExisting(Fault fault)
    {
        lock (_turn)
        {
            foreach (var link in _links)
                link.Set(fault);
        }
    }

    /// <summary>Sets the fault of future connections.</summary>
    public void SetUpcoming(Fault fault)
    {
        lock (_turn)
            _new = fault;
    }

    /// <summary>Sets the fault of all connections.</summary>
    public void Set(Fault fault)
    {
        SetUpcoming(fault);
        SetExisting(fault);
    }

    /// <summary>
    /// Sends a request that must not reach the server. Retries, because the gateway sometimes asks the server on its
    /// own.
    /// </summary>
    public async Task<T> SeeNothingAsync<T>(Func<Task<T>> send)
    {
        const int Tries = 3;
        for (var attempt = 1; ; attempt++)
        {
            var before = Seen;
            var answer = await send();
            if (Seen == before || attempt == Tries)
            {
                Assert.Equal(before, Seen);
                return answer;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_turn)
        {
            _disposed = true;
            foreach (var link in _links)
                link.Dispose();
        }
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptAsync());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        client.NoDelay = true;
        Socket? server = null;
        bool passes;
        lock (_turn)
            passes = _new is not (Reset or BlackHole { Direction: Direction.Both });
        if (passes && (server = await ConnectAsync()) is null)
        {
            // Like a missing server: the client sees a refusal, or nearly that.
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
            return;
        }

        // Not disposed of here: a client in a black hole stays connected.
        var link = new FaultLink(client, server, _random)
        {
            CommitAnswerDropped = () => Interlocked.Increment(ref _commitAnswersDropped),
            AnswerReplaced = () => Interlocked.Increment(ref _answersReplaced),
            Asked = () => Interlocked.Increment(ref _roundTrips),
        };
        lock (_turn)
        {
            _links.Add(link);
            link.Set(_disposed ? new Reset() : _new);
        }
        await link.RunAsync();
    }

    private async Task<Socket?> ConnectAsync()
    {
        var server = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await server.ConnectAsync(_server.Host!, _server.Port);
            return server;
        }
        catch (SocketException)
        {
            server.Dispose();
            return null;
        }
    }
}
