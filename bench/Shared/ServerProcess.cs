using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Gateway.Bench;

/// <summary>A contestant's server, in a process of its own. It ends with this one, however that ends.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    /// <summary>
    /// Ends the server when the input ends. Ctrl+C in a terminal is the benchmark's to hear. What the server logs goes
    /// nowhere: it is the server's work to write it, and nobody's here to read it.
    /// </summary>
    private const string Keeper = """trap '' INT; "$@" >/dev/null & server=$!; read -r _; kill -TERM $server; wait $server 2>/dev/null""";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _keeper;
    private readonly string _command;

    private ServerProcess(int port, IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment)
    {
        Port = port;
        _command = string.Join(' ', command);
        var start = new ProcessStartInfo("sh", ["-c", Keeper, "sh", .. command]) { RedirectStandardInput = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        _keeper = Process.Start(start)!;
    }

    public int Port { get; }

    /// <summary>What it has spent on processors, in seconds; NaN where that can't be seen.</summary>
    public double ProcessorSeconds => ProcessorTime.OfTree(_keeper.Id);

    /// <summary>The server's own; null where it can't be seen.</summary>
    public int? ProcessId => ProcessorTime.ChildOf(_keeper.Id);

    /// <summary>The argument of a server of ASP.NET Core that says where to listen.</summary>
    public static string Urls(int port) => string.Create(CultureInfo.InvariantCulture, $"--urls=http://127.0.0.1:{port}");

    /// <param name="command">The program and its arguments, for the port that it is to listen on.</param>
    /// <param name="environment">For the port too, over this process's own. Here go passwords: arguments are seen by all.</param>
    public static ServerProcess Start(
        Func<int, IReadOnlyList<string>> command, Func<int, IReadOnlyDictionary<string, string>> environment)
    {
        var port = FreePort();
        return new ServerProcess(port, command(port), environment(port));
    }

    /// <summary>Starts one and waits until it listens, with the parameters of <see cref="Start"/>.</summary>
    /// <exception cref="InvalidOperationException">It does not listen.</exception>
    public static Task<ServerProcess> StartAsync(
        Func<int, IReadOnlyList<string>> command,
        Func<int, IReadOnlyDictionary<string, string>> environment,
        CancellationToken ct) => Start(command, environment).ListeningAsync(ct);

    /// <summary>Starts one that has been told its port otherwise, and waits until it listens.</summary>
    /// <exception cref="InvalidOperationException">It does not listen.</exception>
    public static Task<ServerProcess> StartAsync(int port, IReadOnlyList<string> command, CancellationToken ct) =>
        new ServerProcess(port, command, new Dictionary<string, string>()).ListeningAsync(ct);

    /// <summary>One that nobody listens on just now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Waits until it listens; where it does not, it is ended.</summary>
    /// <exception cref="InvalidOperationException">It does not listen.</exception>
    public async Task<ServerProcess> ListeningAsync(CancellationToken ct)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
            patience.CancelAfter(Patience);
            while (!await ListensAsync(Port))
                await Task.Delay(TimeSpan.FromSeconds(0.05), patience.Token);
            return this;
        }
        catch (OperationCanceledException error)
        {
            await DisposeAsync();
            ct.ThrowIfCancellationRequested();
            throw new InvalidOperationException($"{_command} does not listen.", error);
        }
    }

    public ValueTask DisposeAsync() => new(KeptProcess.EndAsync(_keeper));

    private static async Task<bool> ListensAsync(int port)
    {
        using var socket = new TcpClient();
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
