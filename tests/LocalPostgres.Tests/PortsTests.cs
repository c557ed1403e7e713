using System.Net;
using System.Net.Sockets;

namespace Gateway.LocalPostgres.Tests;

public sealed class PortsTests
{
    [Fact]
    public void EachPick_IsAnotherPortThatIsFree()
    {
        var ports = Enumerable.Range(0, 100).Select(_ => Ports.PickFree()).ToArray();
        Assert.Equal(ports.Length, ports.Distinct().Count());
        foreach (var port in ports)
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
        }
    }

    [Fact]
    public void Picks_AreNoPortsOfOutgoingConnections()
    {
        // Of Linux; 49,152 is the first one of other systems.
        const string File = "/proc/sys/net/ipv4/ip_local_port_range";
        var first = System.IO.File.Exists(File) ? int.Parse(System.IO.File.ReadAllText(File).Split('\t')[0]) : 49_152;
        Assert.InRange(Ports.PickFree(), 1024, first - 1);
    }
}
