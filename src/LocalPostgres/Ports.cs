using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Gateway.LocalPostgres;

internal static class Ports
{
    /// <summary>
    /// Returns a free port below the range of outgoing connections, so that none of those takes it while the server
    /// restarts.
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
                // The port is in use: try another one.
            }
        }
    }
}
