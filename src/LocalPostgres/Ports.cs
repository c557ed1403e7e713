using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Gateway.LocalPostgres;

internal static class Ports
{
    /// <summary>
    /// A free port below those that systems give to outgoing connections, so that none of these takes it while the
    /// server restarts.
    /// </summary>
    public static int PickFree()
    {
        while (true)
        {
            var port = RandomNumberGenerator.GetInt32(15_000, 32_768);
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken: another one.
            }
        }
    }
}
