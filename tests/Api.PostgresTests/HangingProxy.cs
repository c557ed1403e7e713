using System.Net;
using System.Net.Sockets;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// A proxy before a server that can hang: then it accepts all connections and bytes, and forwards none, like a stopped
/// server.
/// </summary>
public sealed class HangingProxy : IAsyncDisposable
{
    private static readonly TaskCompletionSource Open = Opened();

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly DnsEndPoint _server;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _accepting;
    private volatile TaskCompletionSource _way = Open;
    private int _connections;

    /// <param name="host">The server's host.</param>
    /// <param name="port">The server's port.</param>
    public HangingProxy(string host, int port)
    {
        _server = new DnsEndPoint(host, port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Gets the number of connections so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Hang() => _way = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Forwards everything that has arrived meanwhile, and everything that follows.</summary>
    public void Recover() => Interlocked.Exchange(ref _way, Open).TrySetResult();

    public async ValueTask DisposeAsync()
    {
        Recover();
        await _end.CancelAsync();
        // A listener that has stopped refuses to accept, with another exception than that of a cancel.
        await _accepting;
        _listener.Stop();
        _end.Dispose();
    }

    private static TaskCompletionSource Opened()
    {
        var opened = new TaskCompletionSource();
        opened.SetResult();
        return opened;
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_end.Token)));
                Interlocked.Increment(ref _connections);
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        using (client)
        {
            client.NoDelay = true;
            try
            {
                await server.ConnectAsync(_server.Host, _server.Port, _end.Token);
                // The end of either side ends the other.
                await await Task.WhenAny(PassAsync(client, server), PassAsync(server, client));
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                // A side has reset the connection, or the test is over.
            }
        }
    }

    private async Task PassAsync(TcpClient from, TcpClient to)
    {
        var bytes = new byte[16384];
        while (await from.Client.ReceiveAsync(bytes, _end.Token) is > 0 and var count)
        {
            await _way.Task;
            for (var sent = 0; sent < count;)
                sent += await to.Client.SendAsync(bytes.AsMemory(sent, count - sent), _end.Token);
        }
        await _way.Task;
    }
}
