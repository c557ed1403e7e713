namespace Gateway.LocalPostgres;

/// <summary>Thrown when a private PostgreSQL can't be started. The message contains the reason and the fix.</summary>
public sealed class LocalPostgresException(string message, Exception? inner = null)
    : InvalidOperationException(message, inner);
