using System.CommandLine;
using System.Net.Sockets;
using Gateway.Api.Configuration;

namespace Gateway.Api.Hosting;

/// <summary>
/// <c>healthcheck [live|ready|startup]</c>: asks the probe of the gateway that runs with the same settings on this machine. It is
/// for an image that has neither a shell nor curl.
/// </summary>
internal static class HealthcheckCommand
{
    /// <summary>Shorter than what waits for the command: a probe asks nobody, so an answer that takes longer is none.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static Command Create()
    {
        var command = Probe("healthcheck", "Asks the gateway on this machine whether it is well: exit code 0 if it is.", "live");
        // Not an argument: that would take a setting for its value.
        command.Add(Probe("live", "Asks whether it runs; the default.", "live"));
        command.Add(Probe("ready", "Asks whether it can serve.", "ready"));
        command.Add(Probe("startup", "Asks whether it has started.", "startup"));
        return command;
    }

    private static Command Probe(string name, string description, string probe)
    {
        var command = new Command(name, description);
        command.SetAction(line => RunAsync(probe, CommandLine.SettingsOf(line)));
        return command;
    }

    /// <returns>The exit code: 0 where the probe answers 200.</returns>
    /// <exception cref="StartupException">There is nothing that could be asked.</exception>
    private static async Task<int> RunAsync(string probe, string[] settings)
    {
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
}
