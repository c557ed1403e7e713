using System.Net.Sockets;
using Gateway.Api.Connections;

namespace Gateway.Api.Endpoints;

/// <summary>
/// <c>healthcheck [live|ready|startup]</c>: asks the probe of the gateway that runs with the same settings on this machine. It is
/// for an image that has neither a shell nor curl.
/// </summary>
internal static class HealthcheckCommand
{
    private const string Usage = "healthcheck [live|ready|startup] [--urls=ADDRESS]";

    /// <summary>Shorter than what waits for the command: a probe asks nobody, so an answer that takes longer is none.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static bool Is(string[] args) => args is ["healthcheck", ..];

    /// <returns>The exit code: 0 where the probe answers 200.</returns>
    /// <exception cref="StartupException">There is nothing that could be asked.</exception>
    public static async Task<int> RunAsync(string[] args)
    {
        var (probe, settings) = Parse(args[1..]);
        var address = new Uri(FindAddress(Program.CreateBuilder(settings).Configuration), $"/healthz/{probe}");
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Patience };
        try
        {
            using var answer = await client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead);
            if (answer.StatusCode == System.Net.HttpStatusCode.OK)
                return 0;
            await Console.Error.WriteLineAsync($"{address} answers {(int)answer.StatusCode}.");
        }
        catch (TaskCanceledException)
        {
            await Console.Error.WriteLineAsync($"{address} has not answered within {Patience.TotalSeconds:0} s.");
        }
        catch (HttpRequestException error)
        {
            await Console.Error.WriteLineAsync(
                $"{address} does not answer: {(error.InnerException as SocketException)?.SocketErrorCode.ToString() ?? error.Message}.");
        }
        return 1;
    }

    /// <summary>The first address that the gateway listens on, as it is reached from its own machine.</summary>
    internal static Uri FindAddress(IConfiguration configuration)
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
            throw new StartupException($"{url} (--urls or ASPNETCORE_URLS) can't be asked: the command speaks HTTP over TCP.");
        var host = listened.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "localhost" : listened.Host;
        return new Uri($"http://{host}:{listened.Port}");
    }

    private static (string Probe, string[] Settings) Parse(string[] options)
    {
        var settings = options.Where(option => option.StartsWith("--", StringComparison.Ordinal)).ToArray();
        return options.Except(settings).ToArray() switch
        {
            [] => ("live", settings),
            ["live" or "ready" or "startup"] named => (named[0], settings),
            _ => throw new StartupException($"The command is {Usage}."),
        };
    }
}
