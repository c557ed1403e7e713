using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>
/// A TCP proxy before a server, on a free port of the loopback, that does what networks do: connections that exist and
/// connections to come each have their <see cref="Fault"/>, to be changed at any time. TLS is off, since it reads along.
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

    /// <summary>The DSN of the server through the proxy.</summary>
    public string Dsn { get; }

    public IPEndPoint Endpoint { get; }

    /// <summary>The connections that neither side has ended, as far as the proxy let it.</summary>
    public int OpenConnections
    {
        get
        {
            lock (_turn)
                return _links.Count(link => !link.Closed);
        }
    }

    /// <summary>How many answers to COMMIT came from the server and were dropped.</summary>
    public long CommitAnswersDropped => Interlocked.Read(ref _commitAnswersDropped);

    /// <summary>How many answers of the server's an error was sent in place of.</summary>
    public long AnswersReplaced => Interlocked.Read(ref _answersReplaced);

    /// <summary>How often clients have asked for an answer, and so waited for one.</summary>
    public long RoundTrips => Interlocked.Read(ref _roundTrips);

    /// <summary>What clients have asked of the server so far, and the connections that they have to it.</summary>
    public (long RoundTrips, int Connections) Seen => (RoundTrips, OpenConnections);

    /// <param name="dsn">The server's, with one host, by TCP.</param>
    /// <param name="seed">Of the delays; a test that delays prints it.</param>
    public static FaultProxy Start(string dsn, int seed = 0) => new(dsn, seed);

    /// <summary>What happens from now on to the connections that exist.</summary>
    public void SetExisting(Fault fault)
    {
        lock (_turn)
        {
            foreach (var link in _links)
                link.Set(fault);
        }
    }

    /// <summary>What happens to the connections to come.</summary>
    public void SetUpcoming(Fault fault)
    {
        lock (_turn)
            _new = fault;
    }

    /// <summary>What happens to all connections.</summary>
    public void Set(Fault fault)
    {
        SetUpcoming(fault);
        SetExisting(fault);
    }

    /// <summary>Sends a request of which the server must hear nothing; now and then a gateway asks on its own account.</summary>
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
            // As a server that isn't there: what a client sees is a refusal, or near enough.
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
            return;
        }

        // Not disposed here: whoever has been swallowed by a black hole stays connected.
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
