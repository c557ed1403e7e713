using System.CommandLine;
using System.Net.Sockets;
using Gateway.Api.Configuration;

namespace Gateway.Api.Hosting;

/// <summary>
/// The command <c>healthcheck [live|ready|startup]</c>: sends the probe to the gateway that runs on this machine with
/// the same settings. It is for an image without a shell and curl.
/// </summary>
internal static class HealthcheckCommand
{
    /// <summary>
    /// The timeout of the probe. A probe contacts no database, so a slower answer means that the gateway is not well.
    /// It is shorter than the image's own timeout for the command.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

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
        command.SetAction(line => RunAsync(probe, CommandLine.SettingsOf(line)));
        return command;
    }

    /// <summary>Sends the probe.</summary>
    /// <returns>The exit code: 0 if the probe answers 200.</returns>
    /// <exception cref="StartupException">The settings name no address that the command can reach.</exception>
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
            var reason = (error.InnerException as SocketException)?.SocketErrorCode.ToString() ?? error.Message;
            await Console.Error.WriteLineAsync($"{address} does not answer: {reason}.");
        }
        return 1;
    }

    /// <summary>Returns the first address that the gateway listens on, as its own machine reaches it.</summary>
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
        {
            throw new StartupException(
                $"{url} (--urls or ASPNETCORE_URLS) can't be asked: the command speaks HTTP over TCP only.");
        }
        var host = listened.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "localhost" : listened.Host;
        return new Uri($"http://{host}:{listened.Port}");
    }
}
