using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>
/// Represents a contestant's server, in a process of its own. It ends with this process, even if this process is
/// killed.
/// </summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    /// <summary>
    /// The shell that ends the server when the input ends. It ignores Ctrl+C in a terminal, because the benchmark
    /// handles it. The server's log goes to /dev/null: the server has the work of writing it, but nothing here reads
    /// it.
    /// </summary>
    private const string Keeper =
        """trap '' INT; "$@" >/dev/null & server=$!; read -r _; kill -TERM $server; wait $server 2>/dev/null""";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _keeper;
    private readonly string _command;

    private ServerProcess(int port, IReadOnlyList<string> command, IEnumerable<(string Name, string Value)> environment)
    {
        Port = port;
        _command = string.Join(' ', command);
        _keeper = LineProcess.Start(["sh", "-c", Keeper, "sh", .. command], environment, redirectOutput: false);
    }

    public int Port { get; }

    /// <summary>Gets the server's process ID; null if it can't be found.</summary>
    public int? ProcessId => ProcessorTime.ChildOf(_keeper.Id);

    /// <summary>Returns the argument with the address that a server of ASP.NET Core listens on.</summary>
    public static string Urls(int port) =>
        string.Create(CultureInfo.InvariantCulture, $"--urls=http://127.0.0.1:{port}");

    /// <summary>Starts a server.</summary>
    /// <param name="command">Returns the program and its arguments, for the port to listen on.</param>
    /// <param name="environment">
    /// Variables that override this process's own, besides <c>PORT</c>. Passwords belong here: all users can see
    /// arguments.
    /// </param>
    public static ServerProcess Start(
        Func<int, IReadOnlyList<string>> command, params IEnumerable<(string Name, string Value)> environment)
    {
        var port = Ports.PickFree();
        return new ServerProcess(
            port, command(port), [("PORT", port.ToString(CultureInfo.InvariantCulture)), .. environment]);
    }

    /// <summary>Waits until the server listens. If it does not, ends it.</summary>
    /// <exception cref="InvalidOperationException">The server does not listen.</exception>
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

    public ValueTask DisposeAsync() => LineProcess.EndAsync(_keeper);

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
