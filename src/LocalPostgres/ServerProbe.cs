using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Gateway.LocalPostgres;

/// <summary>Asks a port for a session, as a client does, and disconnects at the first answer.</summary>
internal static class ServerProbe
{
    /// <summary>
    /// Returns whether the server asks for a password. While it starts, it answers with an error, or a container's
    /// proxy closes the connection.
    /// </summary>
    public static async Task<bool> AnswersAsync(int port, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(TimeSpan.FromSeconds(5));
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(LocalPostgresServer.Loopback, port, limit.Token);
            var stream = client.GetStream();
            await stream.WriteAsync(StartupMessage(), limit.Token);
            var answer = new byte[1];
            return await stream.ReadAsync(answer, limit.Token) == 1 && answer[0] == (byte)'R';
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            ct.ThrowIfCancellationRequested();
            return false;
        }
    }

    /// <summary>
    /// Returns a startup message: the length, protocol 3.0, then names and values, each terminated by a zero, and
    /// another zero.
    /// </summary>
    private static byte[] StartupMessage()
    {
        var names = Encoding.ASCII.GetBytes(
            $"user\0{LocalPostgresServer.Superuser}\0database\0{LocalPostgresServer.Superuser}\0\0");
        var message = new byte[8 + names.Length];
        BinaryPrimitives.WriteInt32BigEndian(message, message.Length);
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(4), 3 << 16);
        names.CopyTo(message, 8);
        return message;
    }
}
