using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Gateway.Testing;

/// <summary>What the host prints when its gateway listens.</summary>
/// <param name="Address">The gateway's address.</param>
/// <param name="Dsn">The DSN of its database, with the password.</param>
internal sealed record HostAddress(Uri Address, string Dsn)
{
    public override string ToString() => Address.ToString();
}

/// <summary>
/// Represents the process that runs the gateway. It ends when its standard input is closed. The operating system closes
/// it when the process of the tests ends.
/// </summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private const string Ready = "gateway-test-host ";

    private const int LinesOfLog = 1000;

    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The first parts of the names of variables that are for another gateway, or for the tests' process only: those of
    /// profilers, and those that Npgsql reads.
    /// </summary>
    private static readonly string[] Foreign =
    [
        "DSN", "ADMIN_DSN", "Gateway__", "Serilog__", "Kestrel__", "ASPNETCORE_", "DOTNET_ENVIRONMENT", "DOTNET_URLS",
        "OTEL_", "PG", "COR_", "CORECLR_", "DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS",
    ];

    private readonly Process _process;
    private readonly Lock _lock = new();
    private readonly Queue<string> _lines = new();
    private readonly TaskCompletionSource<HostAddress> _listening =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HostProcess(ProcessStartInfo start)
    {
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.ErrorDataReceived += (_, line) => Take(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Log
    {
        get
        {
            lock (_lock)
                return string.Join(Environment.NewLine, _lines);
        }
    }

    /// <exception cref="TestGatewayException">The program can't be started.</exception>
    public static HostProcess Start(TestGatewayOptions options)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "gateway-test-host", "Gateway.TestHost.dll");
        if (!File.Exists(program))
        {
            throw new TestGatewayException(
                $"{program} is missing. A build of the tests puts it there, from the package Gateway.Testing.");
        }
        var start = new ProcessStartInfo(FindDotnet(), [program])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var name in start.Environment.Keys.Where(IsForeign).ToList())
            start.Environment.Remove(name);
        if (options.ConnectionString is { } database)
            start.Environment["DSN"] = database;
        foreach (var (name, value) in options.Settings)
            start.Environment[name] = value;
        try
        {
            return new HostProcess(start);
        }
        catch (Win32Exception error)
        {
            throw new TestGatewayException($"\"{start.FileName}\" can't be started: {error.Message}", error);
        }
    }

    /// <summary>Waits until the gateway listens.</summary>
    /// <exception cref="TestGatewayException">It has ended, or the time is up.</exception>
    public async Task<HostAddress> ListenAsync(TimeSpan limit, CancellationToken cancellation)
    {
        try
        {
            var ended = _process.WaitForExitAsync(cancellation);
            if (await Task.WhenAny(_listening.Task, ended).WaitAsync(limit, TimeProvider.System, cancellation)
                .ConfigureAwait(false) == ended)
            {
                await ended.ConfigureAwait(false);
                throw new TestGatewayException($"The gateway did not start: {Log}");
            }
            return await _listening.Task.ConfigureAwait(false);
        }
        catch (TimeoutException error)
        {
            throw new TestGatewayException(
                $"The gateway did not start within {limit.TotalSeconds:0} s. Its output: {Log}", error);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using (_process)
        {
            try
            {
                _process.StandardInput.Close();
                await _process.WaitForExitAsync().WaitAsync(StopLimit, TimeProvider.System).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Not its children: PostgreSQL's watchdog then ends the server in order.
                _process.Kill();
                await _process.WaitForExitAsync().ConfigureAwait(false);
            }
        }
    }

    private static bool IsForeign(string name) =>
        Foreign.Any(root => name.StartsWith(root, StringComparison.OrdinalIgnoreCase));

    /// <summary>Returns the program <c>dotnet</c> of the .NET that runs the tests.</summary>
    private static string FindDotnet()
    {
        // The runtime is in DOTNET/shared/Microsoft.NETCore.App/VERSION.
        var program = Path.GetFullPath(Path.Combine(
            RuntimeEnvironment.GetRuntimeDirectory(), "../../..",
            OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        return File.Exists(program) ? program : "dotnet";
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        if (line.StartsWith(Ready, StringComparison.Ordinal))
        {
            // It has a password, so it is no part of the log.
            _listening.TrySetResult(
                JsonSerializer.Deserialize<HostAddress>(line[Ready.Length..], JsonSerializerOptions.Web)!);
            return;
        }
        lock (_lock)
        {
            _lines.Enqueue(line);
            if (_lines.Count > LinesOfLog)
                _lines.Dequeue();
        }
    }
}
