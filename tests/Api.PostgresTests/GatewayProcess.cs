using System.Diagnostics;
using System.Text;

namespace Gateway.Api.PostgresTests;

/// <summary>Runs a gateway as a separate process, as a user starts it.</summary>
public sealed class GatewayProcess : IAsyncDisposable
{
    /// <summary>The start of the last line that the gateway prints at its start, except in Development.</summary>
    private const string Ready = "The gateway listens on";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private GatewayProcess(IReadOnlyDictionary<string, string> environment, IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            // Not the folder of the binaries: the gateway must find its files from any folder.
            WorkingDirectory = Path.GetTempPath(),
        };
        start.Environment.Remove("DSN");
        foreach (var setting in new[] { "ENVIRONMENT", "URLS", "HTTP_PORTS" })
        {
            foreach (var prefix in new[] { "", "DOTNET_", "ASPNETCORE_" })
                start.Environment.Remove(prefix + setting);
        }
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_errors, line.Data);
        _process.Exited += (_, _) => _listening.TrySetException(new InvalidOperationException("The gateway has exited."));
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public string Output => Read(_output);

    public string Errors => Read(_errors);

    /// <summary>Gets the current resident memory of the process, in bytes.</summary>
    public long Memory
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Gets the peak resident memory of the process, in bytes.</summary>
    public long PeakMemory => 1024 * long.Parse(
        File.ReadLines($"/proc/{Id}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);

    /// <summary>Gets the first address that the gateway has printed, once it listens.</summary>
    public Uri Address => new(Output[Output.IndexOf(Ready, StringComparison.Ordinal)..].Split([' ', ',', '\n'], StringSplitOptions.RemoveEmptyEntries)
        .First(word => word.StartsWith("http://", StringComparison.Ordinal)));

    /// <summary>Starts a gateway, and waits until it listens.</summary>
    public static Task<GatewayProcess> StartAsync(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        StartCommandAsync(environment, Built(environment, arguments));

    /// <summary>Starts another build of the gateway, and waits until it listens.</summary>
    public static async Task<GatewayProcess> StartCommandAsync(
        IReadOnlyDictionary<string, string> environment, IReadOnlyList<string> command)
    {
        var gateway = new GatewayProcess(environment, command);
        try
        {
            await gateway.ListeningAsync();
            return gateway;
        }
        catch (Exception error) when (error is TimeoutException or InvalidOperationException)
        {
            await gateway.DisposeAsync();
            throw new InvalidOperationException($"The gateway did not start: {gateway.Output} {gateway.Errors}", error);
        }
    }

    /// <summary>Waits until it listens.</summary>
    public Task ListeningAsync() => _listening.Task.WaitAsync(Patience);

    /// <summary>Starts a gateway, and does not wait until it listens.</summary>
    public static GatewayProcess Begin(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        BeginCommand(environment, Built(environment, arguments));

    /// <summary>Runs a gateway that ends by itself.</summary>
    /// <returns>Its exit code, and its output on standard error and standard output.</returns>
    public static Task<(int ExitCode, string Errors, string Output)> RunAsync(
        IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        RunCommandAsync(environment, Built(environment, arguments));

    /// <summary>Runs a command of another build of the gateway.</summary>
    public static async Task<(int ExitCode, string Errors, string Output)> RunCommandAsync(
        IReadOnlyDictionary<string, string> environment, IReadOnlyList<string> command)
    {
        await using var gateway = BeginCommand(environment, command);
        var code = await gateway.WaitForExitAsync();
        return (code, gateway.Errors, gateway.Output);
    }

    /// <summary>Stops the gateway with SIGTERM, as an orchestrator does.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> TerminateAsync()
    {
        await SignalAsync("TERM");
        return await WaitForExitAsync();
    }

    /// <summary>Sends a signal, such as <c>TERM</c>, and does not wait for its effect.</summary>
    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", _process.Id.ToString()]);
        await kill.WaitForExitAsync();
    }

    /// <returns>Its exit code.</returns>
    public async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>Kills the gateway.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }

    private static GatewayProcess BeginCommand(IReadOnlyDictionary<string, string> environment, IReadOnlyList<string> command)
    {
        var gateway = new GatewayProcess(environment, command);
        // A test may never wait for the gateway to listen. Then a gateway that never did is no unobserved exception.
        _ = gateway._listening.Task.ContinueWith(task => task.Exception, TaskScheduler.Default);
        return gateway;
    }

    private static string[] Built(IReadOnlyDictionary<string, string> environment, string[] arguments) =>
        ["dotnet", Path.Combine(AppContext.BaseDirectory, "Gateway.Api.dll"), .. arguments, .. PrivilegedRoles.Allow(environment.Keys)];

    private void Append(StringBuilder text, string? line)
    {
        if (line is null)
            return;
        lock (text)
            text.AppendLine(line);
        if (line.StartsWith(Ready, StringComparison.Ordinal))
            _listening.TrySetResult();
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }
}
