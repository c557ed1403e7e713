using System.Diagnostics.CodeAnalysis;
using Gateway.Api.Configuration;

namespace Gateway.Api.Neon;

/// <summary>
/// Represents the connection string of a client of Neon's protocol. The gateway does not connect to its host: its
/// password is the caller's key, its database is the named connection, and its host, user and options are ignored.
/// </summary>
/// <param name="Connection">The named connection.</param>
/// <param name="Key">The password; null if there is none.</param>
internal sealed record SqlConnectionString(string Connection, string? Key)
{
    public const string Shape = "postgresql://USER:KEY@HOST/CONNECTION";

    /// <summary>
    /// Reads a connection string of the form <see cref="Shape"/>; returns false if it has another form. The parts are
    /// percent-decoded, as in any URI.
    /// </summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out SqlConnectionString? read)
    {
        read = null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("postgresql" or "postgres"))
            return false;
        var database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/'));
        var colon = uri.UserInfo.IndexOf(':');
        read = new SqlConnectionString(
            database.Length > 0 ? database : GatewayOptions.DefaultConnection,
            colon < 0 ? null : Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]));
        return true;
    }

    /// <summary>Returns the connection's name, and never the key, since it may be printed by mistake.</summary>
    public override string ToString() => Connection;
}
