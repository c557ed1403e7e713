namespace Gateway.Api.Callers;

/// <summary>Refreshes the issuers' keys while the gateway runs.</summary>
internal sealed class KeyWatch(Tokens tokens) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => tokens.WatchKeysAsync(stoppingToken);
}
