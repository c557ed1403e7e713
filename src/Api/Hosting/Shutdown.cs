using System.Runtime.InteropServices;
using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;
using Microsoft.Extensions.Options;

namespace Gateway.Api.Hosting;

/// <summary>
/// How the gateway ends, so that no request is lost: it says that it is going and serves on until that is noticed, then listens
/// no more, and ends when it has answered what it has taken.
/// </summary>
internal static partial class Shutdown
{
    /// <summary>What a request may take beyond its budget: to be read, to be answered, and to end what it ran.</summary>
    private static readonly TimeSpan BeyondBudget = TimeSpan.FromSeconds(5);

    /// <summary>What requests that are cut off get to cancel what they run.</summary>
    private static readonly TimeSpan CancelTime = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    public static void AddShutdown(this WebApplicationBuilder builder, GatewayOptions options)
    {
        builder.Services.AddSingleton<RequestsInFlight>();
        builder.Services.AddSingleton<PipelineWatch>();
        builder.Services.AddHostedService(services => services.GetRequiredService<PipelineWatch>());
        // The host's own 30 s would cut off requests that have a right to more.
        builder.Services.Configure<HostOptions>(
            host => host.ShutdownTimeout = TimeSpan.FromMilliseconds(options.MaxTimeoutMs) + BeyondBudget);
    }

    /// <summary>First of the pipeline, so that a request counts until its answer is out.</summary>
    public static void CountRequests(this WebApplication gateway)
    {
        var requests = gateway.Services.GetRequiredService<RequestsInFlight>();
        gateway.Use((http, next) => requests.InvokeAsync(http, next));
    }

    /// <summary>Serves until SIGTERM, SIGINT or SIGQUIT, and then ends in good order.</summary>
    /// <remarks>
    /// SIGINT hurries what is under way: somebody at a terminal has pressed Ctrl+C again. A second SIGTERM does not: what
    /// stands between an orchestrator and its process may well pass on two of them, and no request is to be lost by that.
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
        // Before anything is said of it: each answer from here on closes its connection.
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

    /// <summary>Waits for a signal, and for so long at most.</summary>
    private static async Task SignalAsync(CancellationToken signal, TimeSpan? longest = null, TimeProvider? clock = null)
    {
        try
        {
            await Task.Delay(longest ?? Timeout.InfiniteTimeSpan, clock ?? TimeProvider.System, signal);
        }
        catch (OperationCanceledException)
        {
            // That is what was waited for.
        }
    }

    [LoggerMessage(40, LogLevel.Information, "Told to stop: draining for {Seconds} s, with {InFlight} requests in flight")]
    private static partial void Draining(ILogger log, int seconds, int inFlight);

    [LoggerMessage(41, LogLevel.Information, "Stopping: taking no more connections, with {InFlight} requests in flight")]
    private static partial void Stopping(ILogger log, int inFlight);

    [LoggerMessage(42, LogLevel.Warning, "The time to stop in is over: {InFlight} requests are cut off")]
    private static partial void CutOff(ILogger log, int inFlight);

    [LoggerMessage(43, LogLevel.Information, "Stopped after {Seconds} s")]
    private static partial void Stopped(ILogger log, double seconds);
}
