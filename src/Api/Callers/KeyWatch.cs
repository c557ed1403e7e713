namespace Gateway.Api.Callers;

/// <summary>Keeps the issuers' keys as they are, while the gateway runs.</summary>
internal sealed class KeyWatch(Tokens tokens) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => tokens.WatchKeysAsync(stoppingToken);
}
