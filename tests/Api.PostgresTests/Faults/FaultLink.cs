using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>Represents one connection through a <see cref="FaultProxy"/>.</summary>
/// <param name="client">The connection that the proxy accepted.</param>
/// <param name="server">The proxy's connection to the server; null if it made none.</param>
/// <param name="random">Draws the delays. It is locked for each draw, because the links share it.</param>
internal sealed class FaultLink(Socket client, Socket? server, Random random) : IDisposable
{
    /// <summary>PostgreSQL's Flush: the server runs what was sent so far, without waiting for Sync.</summary>
    private static readonly byte[] Flush = [(byte)'H', 0, 0, 0, 4];

    private readonly FrontendMessages _messages = new();
    private volatile State _state = new(Fault.None);
    private volatile Direction _lost;
    private int _closed;

    /// <summary>Called when the server's answer to a COMMIT was dropped.</summary>
    public required Action CommitAnswerDropped { get; init; }

    /// <summary>Called when an error has replaced an answer of the server.</summary>
    public required Action AnswerReplaced { get; init; }

    /// <summary>Called for each Sync or Query of the client. The server answers each of them at once.</summary>
    public required Action Asked { get; init; }

    public bool Closed => Volatile.Read(ref _closed) != 0;

    public void Set(Fault fault)
    {
        _state = new State(fault);
        if (fault is Reset)
            Close(reset: true);
    }

    /// <summary>Forwards in both directions until both have ended, or the link is closed.</summary>
    public async Task RunAsync()
    {
        if (server is null)
            await PumpAsync(client, null, Direction.ToServer);
        else
            await Task.WhenAll(PumpAsync(client, server, Direction.ToServer), PumpAsync(server, client, Direction.ToClient));
        // With a black hole a side does not see that the other has closed.
        if (_lost == Direction.None && !Swallows(Direction.ToServer) && !Swallows(Direction.ToClient))
            Close();
    }

    public void Dispose() => Close(reset: true);

    private async Task PumpAsync(Socket from, Socket? to, Direction direction)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            for (int count; (count = await from.ReceiveAsync(buffer)) > 0;)
                await ForwardAsync(buffer.AsMemory(0, count), to, direction);
            if (!Swallows(direction))
                to?.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or IOException or ObjectDisposedException)
        {
            if (!Swallows(direction))
                Close(reset: true);
        }
    }

    private async Task ForwardAsync(ReadOnlyMemory<byte> bytes, Socket? to, Direction direction)
    {
        var state = _state;
        // Read before it is forwarded, because the answer may arrive at once.
        List<FrontendMessage> messages = direction == Direction.ToServer ? _messages.Read(bytes.Span) : [];
        foreach (var _ in messages.Where(message => message.Type is 'S' or 'Q'))
            Asked();
        if (messages.Any(message => message.AsksToCommit))
            state.CommitSent = true;
        if (Swallows(direction))
        {
            _lost |= direction;
            return;
        }

        switch (state.Fault)
        {
            case Delay delay:
                await Task.Delay(Draw(delay));
                break;
            case CutAfter cut when cut.Direction == direction && state.Passed + bytes.Length >= cut.Bytes:
                await SendAsync(to!, bytes[..(int)(cut.Bytes - state.Passed)]);
                if (!cut.Resets)
                    to!.Shutdown(SocketShutdown.Send);
                Close(cut.Resets);
                return;
            case CutAfter cut when cut.Direction == direction:
                state.Passed += bytes.Length;
                break;
            case DropCommitAnswer drop when direction == Direction.ToClient && state.CommitSent:
                _lost |= direction;
                // First, so that it is counted when the client knows.
                CommitAnswerDropped();
                if (drop.Reset)
                    Close(reset: true);
                return;
            case EndInstead end when direction == Direction.ToClient:
                await ForwardUntilAsync(end, state.Answers.Read(bytes.Span), to!);
                return;
            case HoldAt hold when direction == Direction.ToServer:
                await ForwardRequestAsync(hold, messages, to!);
                return;
            case HoldAt hold when state.CommitSent:
                await ForwardCommitAnswerAsync(hold, state.CommitAnswer.Read(bytes.Span), to!);
                return;
        }
        await SendAsync(to!, bytes);
    }

    private async Task ForwardUntilAsync(EndInstead end, List<Message> messages, Socket to)
    {
        foreach (var message in messages)
        {
            if (message.Type == 'C' && message.Text(0).StartsWith(end.Tag, StringComparison.Ordinal))
            {
                // First, so that it is counted when the client knows.
                AnswerReplaced();
                await SendAsync(to, ErrorResponse(end));
                Close();
                return;
            }
            await SendAsync(to, message.Bytes);
        }
    }

    private static byte[] ErrorResponse(EndInstead end)
    {
        var fields = Encoding.UTF8.GetBytes($"S{end.Severity}\0V{end.Severity}\0C{end.SqlState}\0Mthe server is done for\0\0");
        var message = new byte[1 + sizeof(int) + fields.Length];
        message[0] = (byte)'E';
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), sizeof(int) + fields.Length);
        fields.CopyTo(message, 1 + sizeof(int));
        return message;
    }

    private async Task ForwardRequestAsync(HoldAt hold, List<FrontendMessage> messages, Socket to)
    {
        foreach (var message in messages)
        {
            if (hold.IsBefore(message) && !await HoldAsync(hold, to))
                return;
            await SendAsync(to, message.Bytes);
            if (hold.IsAfter(message) && !await HoldAsync(hold, to))
                return;
        }
        if (hold.Boundary == Boundary.CommitSent && messages.Any(message => message.AsksToCommit))
            hold.Reach();
    }

    private async Task ForwardCommitAnswerAsync(HoldAt hold, List<Message> messages, Socket to)
    {
        if (hold.Boundary == Boundary.CommitSent && !await ForwardsAsync(hold))
            return;
        foreach (var message in messages)
        {
            await SendAsync(to, message.Bytes);
            // ReadyForQuery: the transaction has ended. The following messages clean the session.
            if (hold.Boundary == Boundary.CommitDone && message.Type == 'Z')
            {
                hold.Reach();
                if (!await ForwardsAsync(hold))
                    return;
            }
        }
    }

    /// <summary>Makes the server run what it has received, and waits for the decision about the rest.</summary>
    private async Task<bool> HoldAsync(HoldAt hold, Socket to)
    {
        await SendAsync(to, Flush);
        hold.Reach();
        return await ForwardsAsync(hold);
    }

    private async Task<bool> ForwardsAsync(HoldAt hold)
    {
        var forwards = await hold.ForwardsAsync();
        if (!forwards)
            Close();
        return forwards;
    }

    private bool Swallows(Direction direction) =>
        ((_lost | ((_state.Fault as BlackHole)?.Direction ?? Direction.None)) & direction) != 0;

    private TimeSpan Draw(Delay delay)
    {
        lock (random)
            return delay.Least + ((delay.Most - delay.Least) * random.NextDouble());
    }

    private static async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await to.SendAsync(bytes)..];
    }

    private void Close(bool reset = false)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        foreach (var socket in new[] { client, server })
        {
            if (reset && socket is not null)
                socket.LingerState = new LingerOption(true, 0);
            socket?.Dispose();
        }
    }

    /// <summary>The state of a fault on a connection, from when it was set.</summary>
    private sealed class State(Fault fault)
    {
        public Fault Fault => fault;

        /// <summary>Gets or sets the number of bytes in the counted direction.</summary>
        public long Passed { get; set; }

        public volatile bool CommitSent;

        /// <summary>
        /// Gets the server's messages after <see cref="CommitSent"/>; all earlier ones have been read by then.
        /// </summary>
        public MessageFrames CommitAnswer { get; } = new(started: true);

        /// <summary>Gets all of the server's messages; each of them has a type.</summary>
        public MessageFrames Answers { get; } = new(started: true);
    }
}
