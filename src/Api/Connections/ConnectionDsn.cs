using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>A connection's DSN as Npgsql takes it, its password included.</summary>
/// <param name="Setting">The setting that it was read from.</param>
/// <param name="Value">The DSN.</param>
/// <param name="PasswordFile">The file that its password was read from, and is to be read from again; null where the DSN has it.</param>
internal sealed record ConnectionDsn(string Setting, NpgsqlConnectionStringBuilder Value, string? PasswordFile)
{
    /// <summary>The same database by the control role; null where there is none.</summary>
    public ConnectionDsn? Control { get; init; }

    /// <summary>What opens the journal where there is no control role.</summary>
    public JournalKey? JournalKey { get; init; }
}
