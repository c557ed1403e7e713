using Npgsql;

namespace Gateway.Api.Dsns;

/// <summary>Defaults of the gateway that differ from Npgsql's, and hold unless the DSN has another value.</summary>
internal static class DsnDefaults
{
    /// <summary>
    /// Returns whether the DSN sets a keyword. ContainsKey can't tell: it returns true for every keyword that Npgsql
    /// knows.
    /// </summary>
    public static bool Sets(this NpgsqlConnectionStringBuilder dsn, string keyword) =>
        dsn.Keys.OfType<string>().Any(key => key == keyword);

    /// <summary>
    /// Turns GSSAPI encryption off. Npgsql's default, Prefer, costs each new session a round trip, and an error in the
    /// log where there is no Kerberos library, as in the image.
    /// </summary>
    public static void DisableGssByDefault(this NpgsqlConnectionStringBuilder dsn)
    {
        if (!dsn.Sets("GSS Encryption Mode"))
            dsn.GssEncryptionMode = GssEncryptionMode.Disable;
    }
}
