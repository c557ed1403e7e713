using System.Runtime.InteropServices;
using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;
using Microsoft.Extensions.Options;

namespace Gateway.Api.Hosting;

/// <summary>
/// Stops the gateway without losing a request: readiness fails first, while the gateway still serves, until load
/// balancers have noticed. Then it stops listening, finishes the requests in flight, and ends.
/// </summary>
internal static partial class Shutdown
{
    /// <summary>
    /// The maximum time that a request takes beyond its timeout: to be read, to be answered, and to cancel its
    /// statement.
    /// </summary>
    private static readonly TimeSpan BeyondBudget = TimeSpan.FromSeconds(5);

    /// <summary>The maximum time for requests that were cut off to cancel their statements.</summary>
    private static readonly TimeSpan CancelTime = TimeSpan.FromSeconds(2);

    /// <summary>The interval at which the requests in flight are counted after that.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    public static void AddShutdown(this WebApplicationBuilder builder, GatewayOptions options)
    {
        builder.Services.AddSingleton<RequestsInFlight>();
        builder.Services.AddSingleton<PipelineWatch>();
        builder.Services.AddHostedService(services => services.GetRequiredService<PipelineWatch>());
        // The host's default of 30 s would cut off requests that have a longer timeout.
        builder.Services.Configure<HostOptions>(
            host => host.ShutdownTimeout = TimeSpan.FromMilliseconds(options.MaxTimeoutMs) + BeyondBudget);
    }

    /// <summary>Counts requests. It is the first middleware, so a request counts until its answer is sent.</summary>
    public static void CountRequests(this WebApplication gateway)
    {
        var requests = gateway.Services.GetRequiredService<RequestsInFlight>();
        gateway.Use((http, next) => requests.InvokeAsync(http, next));
    }

    /// <summary>Serves until SIGTERM, SIGINT or SIGQUIT, and then stops gracefully.</summary>
    /// <remarks>
    /// A SIGINT during the stop shortens it: a user has pressed Ctrl+C again. A second SIGTERM does not: a process
    /// between the orchestrator and the gateway may pass the signal on twice, and that must not lose a request.
    /// </remarks>
    public static async Task ServeUntilStoppedAsync(this WebApplication gateway)
    {
        await SignalAsync(gateway.Lifetime.ApplicationStopping);
        using var hurry = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
        {
            signal.Cancel = true;
            hurry.Cancel();
        });

        var clock = gateway.Services.GetRequiredService<TimeProvider>();
        var requests = gateway.Services.GetRequiredService<RequestsInFlight>();
        var options = gateway.Services.GetRequiredService<GatewayOptions>();
        var begun = clock.GetTimestamp();
        // Before the log line: each answer from here on closes its connection.
        requests.Drain();
        if (options.DrainSeconds > 0)
        {
            Draining(gateway.Logger, options.DrainSeconds, requests.Count);
            await SignalAsync(hurry.Token, TimeSpan.FromSeconds(options.DrainSeconds), clock);
        }

        Stopping(gateway.Logger, requests.Count);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(hurry.Token);
        bound.CancelAfter(gateway.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout);
        await using (bound.Token.Register(() => CutOff(gateway.Logger, requests.Count)))
            await gateway.StopAsync(bound.Token);
        for (var stopped = clock.GetTimestamp(); requests.Count > 0 && clock.GetElapsedTime(stopped) < CancelTime;)
            await Task.Delay(Look, clock, CancellationToken.None);
        Stopped(gateway.Logger, clock.GetElapsedTime(begun).TotalSeconds);
    }

    /// <summary>Waits for a signal, at most for a given time.</summary>
    private static async Task SignalAsync(
        CancellationToken signal, TimeSpan? longest = null, TimeProvider? clock = null)
    {
        try
        {
            await Task.Delay(longest ?? Timeout.InfiniteTimeSpan, clock ?? TimeProvider.System, signal);
        }
        catch (OperationCanceledException)
        {
            // The signal has come.
        }
    }

    [LoggerMessage(
        40, LogLevel.Information, "Told to stop: draining for {Seconds} s, with {InFlight} requests in flight")]
    private static partial void Draining(ILogger log, int seconds, int inFlight);

    [LoggerMessage(
        41, LogLevel.Information, "Stopping: taking no more connections, with {InFlight} requests in flight")]
    private static partial void Stopping(ILogger log, int inFlight);

    [LoggerMessage(42, LogLevel.Warning, "The time to stop in is over: {InFlight} requests are cut off")]
    private static partial void CutOff(ILogger log, int inFlight);

    [LoggerMessage(43, LogLevel.Information, "Stopped after {Seconds} s")]
    private static partial void Stopped(ILogger log, double seconds);
}
