using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Gateway.LocalPostgres;

/// <summary>Free ports for servers that this process starts on loopback.</summary>
public static class Ports
{
    private const int First = 15_000;

    /// <summary>The first port of Linux's outgoing connections; other systems begin later.</summary>
    private const int End = 32_768;

    private static int _last = RandomNumberGenerator.GetInt32(End - First);

    /// <summary>
    /// Returns a port on which nothing listens. It is below the range of outgoing connections, and the next calls
    /// return others. So nothing takes it before the server listens, or while the server restarts.
    /// </summary>
    public static int PickFree()
    {
        while (true)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _last) % (End - First));
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // The port is in use: try another one.
            }
        }
    }
}
