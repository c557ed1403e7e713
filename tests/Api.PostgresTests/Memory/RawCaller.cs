using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Api.PostgresTests.Memory;

/// <summary>A caller that controls each byte that it sends, and whether it reads the answer.</summary>
internal sealed class RawCaller : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly Uri _address;

    private RawCaller(Uri address) => _address = address;

    public static async Task<RawCaller> ConnectAsync(Uri address, int? receiveBuffer = null)
    {
        var caller = new RawCaller(address);
        if (receiveBuffer is { } bytes)
            caller._socket.ReceiveBufferSize = bytes;
        await caller._socket.ConnectAsync(new DnsEndPoint(address.Host, address.Port));
        return caller;
    }

    /// <summary>Sends the head of a request.</summary>
    /// <param name="length">The length of its body that it announces, in bytes.</param>
    /// <param name="key">The caller's key.</param>
    /// <param name="path">The path.</param>
    public Task BeginAsync(int length, string? key = null, string path = "/v1/query") => SendAsync(Encoding.ASCII.GetBytes(
        $"POST {path} HTTP/1.1\r\nHost: {_address.Authority}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
        + $"{(key is null ? "" : $"Authorization: Bearer {key}\r\n")}\r\n"));

    /// <summary>Sends bytes. Returns false if the gateway has closed the connection, or this has.</summary>
    public async Task<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
                bytes = bytes[await _socket.SendAsync(bytes)..];
            return true;
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    public async Task<bool> SendAsync(object request, string? key = null, string path = "/v1/query")
    {
        var body = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(request);
        await BeginAsync(body.Length, key, path);
        return await SendAsync(body);
    }

    /// <summary>Returns the start of the answer, at least its head; empty if the connection was closed.</summary>
    public async Task<string> ReadAsync(int atMost = 4096)
    {
        var bytes = new byte[atMost];
        try
        {
            var count = await _socket.ReceiveAsync(bytes.AsMemory()).AsTask().WaitAsync(Patience);
            return Encoding.UTF8.GetString(bytes, 0, count);
        }
        catch (SocketException)
        {
            return "";
        }
    }

    /// <summary>Disconnects like a process that ends.</summary>
    public void Leave()
    {
        _socket.Shutdown(SocketShutdown.Send);
        _socket.Close();
    }

    public void Dispose() => _socket.Dispose();
}

/// <summary>Callers of one gateway, which all disconnect when this is disposed of, also after a failed test.</summary>
internal sealed class RawCallers(Uri address) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly List<RawCaller> _all = [];

    public async Task<RawCaller> ConnectAsync(int? receiveBuffer = null)
    {
        var caller = await RawCaller.ConnectAsync(address, receiveBuffer);
        lock (_lock)
            _all.Add(caller);
        return caller;
    }

    public void Dispose()
    {
        lock (_lock)
            _all.ForEach(caller => caller.Dispose());
    }
}
