using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.Api.Configuration;

namespace Gateway.Api.Hosting;

/// <summary>
/// The command <c>healthcheck [live|ready|startup]</c>: sends the probe to the gateway that runs on this machine with
/// the same settings. It is for an image without a shell and curl. A container engine runs it every few seconds, so it
/// loads and compiles as little as it can.
/// </summary>
internal static class HealthcheckCommand
{
    /// <summary>
    /// The timeout of the probe. A probe contacts no database, so a slower answer means that the gateway is not well.
    /// It is shorter than the image's own timeout for the command.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Runs the command, without the parser of command lines, if the arguments are the command only, as in the image.
    /// </summary>
    /// <returns>The exit code; null if the arguments are others.</returns>
    /// <exception cref="StartupException">The settings name no address that the command can reach.</exception>
    public static int? TryRun(string[] args) => args switch
    {
        ["healthcheck"] => Run("live", []),
        ["healthcheck", "live" or "ready" or "startup"] => Run(args[1], []),
        _ => null,
    };

    public static Command Create()
    {
        var command = Probe(
            "healthcheck", "Asks the gateway on this machine whether it is well: exit code 0 if it is.", "live");
        // Subcommands, because an argument would take a setting for its value.
        command.Add(Probe("live", "Asks whether it runs; the default.", "live"));
        command.Add(Probe("ready", "Asks whether it can serve.", "ready"));
        command.Add(Probe("startup", "Asks whether it has started.", "startup"));
        return command;
    }

    private static Command Probe(string name, string description, string probe)
    {
        var command = new Command(name, description);
        command.SetAction(line => Run(probe, CommandLine.SettingsOf(line)));
        return command;
    }

    /// <summary>Sends the probe.</summary>
    /// <returns>The exit code: 0 if the probe answers 200.</returns>
    /// <exception cref="StartupException">The settings name no address that the command can reach.</exception>
    private static int Run(string probe, string[] settings)
    {
        var (host, port) = (settings.Length == 0 ? EnvironmentAddress.Find() : null)
            ?? FindAddress(Program.CreateBuilder(settings).Configuration);
        var path = $"/healthz/{probe}";
        var address = $"http://{host}:{port}{path}";
        // It ends the process wherever that waits: for a name, a connection or the answer.
        using var limit = TimeProvider.System.CreateTimer(
            _ =>
            {
                Console.Error.WriteLine($"{address} has not answered within {Patience.TotalSeconds:0} s.");
                Environment.Exit(1);
            },
            null, Patience, Timeout.InfiniteTimeSpan);
        try
        {
            var status = Ask(host, port, path);
            if (status == "200")
                return 0;
            Console.Error.WriteLine($"{address} answers {status}.");
        }
        catch (SocketException error)
        {
            Console.Error.WriteLine($"{address} does not answer: {error.SocketErrorCode}.");
        }
        return 1;
    }

    /// <summary>Sends a GET request. An HttpClient would take most of the command's time.</summary>
    /// <returns>The answer's status code, or its first bytes if they are no answer of HTTP.</returns>
    /// <exception cref="SocketException">There is no answer.</exception>
    private static string Ask(string host, int port, string path)
    {
        var request = $"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n";
        using var socket = Connect(host, port);
        socket.Send(Encoding.ASCII.GetBytes(request));
        // The server sends the status line at once.
        var start = new byte["HTTP/1.1 200".Length];
        var text = Encoding.Latin1.GetString(start, 0, socket.Receive(start));
        if (text.Length == 0)
            throw new SocketException((int)SocketError.ConnectionReset);
        return text.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) ? text[^3..] : $"\"{text}\"";
    }

    /// <summary>Connects; an address of numbers needs no search for its name.</summary>
    private static Socket Connect(string host, int port)
    {
        if (!IPAddress.TryParse(host, out var address))
        {
            var any = new Socket(SocketType.Stream, ProtocolType.Tcp);
            any.Connect(host, port);
            return any;
        }
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(address, port);
        return socket;
    }

    /// <summary>Returns the first address that the gateway listens on, as its own machine reaches it.</summary>
    internal static (string Host, int Port) FindAddress(IConfiguration configuration)
    {
        var url = Listening.FindUrls(configuration).FirstOrDefault()
            ?? throw new StartupException("--urls or ASPNETCORE_URLS is empty: there is no address to ask.");
        BindingAddress listened;
        try
        {
            listened = BindingAddress.Parse(url);
        }
        catch (FormatException error)
        {
            throw new StartupException($"--urls or ASPNETCORE_URLS is not valid: {error.Message}", error);
        }
        if (listened.Scheme != Uri.UriSchemeHttp || listened.IsUnixPipe || listened.IsNamedPipe)
        {
            throw new StartupException(
                $"{url} (--urls or ASPNETCORE_URLS) can't be asked: the command speaks HTTP over TCP only.");
        }
        return (EnvironmentAddress.FromItsMachine(listened.Host), listened.Port);
    }
}
