namespace Gateway.LocalPostgres;

/// <summary>A private PostgreSQL can't be had; the message says why and what to do.</summary>
public sealed class LocalPostgresException(string message, Exception? inner = null)
    : InvalidOperationException(message, inner);
