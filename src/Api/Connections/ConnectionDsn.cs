using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>Represents a connection's DSN in Npgsql's form, with its password.</summary>
/// <param name="Setting">The setting that it was read from.</param>
/// <param name="Value">The DSN.</param>
/// <param name="PasswordFile">
/// The file that the password was read from, and is read from again later; null if the password is in the DSN.
/// </param>
internal sealed record ConnectionDsn(string Setting, NpgsqlConnectionStringBuilder Value, string? PasswordFile)
{
    /// <summary>Gets the control role's DSN for the same database; null if there is no control role.</summary>
    public ConnectionDsn? Control { get; init; }

    /// <summary>Gets the key that opens the journal if there is no control role.</summary>
    public JournalKey? JournalKey { get; init; }
}
