using System.Diagnostics.CodeAnalysis;
using Gateway.Api.Configuration;

namespace Gateway.Api.Neon;

/// <summary>
/// What a client of the protocol takes for where its database is. Nothing is dialled by it: its password is the caller's key and
/// its database the named connection; host, user and options are what the caller likes.
/// </summary>
/// <param name="Connection">The named connection.</param>
/// <param name="Key">The password; null where there is none.</param>
internal sealed record SqlConnectionString(string Connection, string? Key)
{
    public const string Shape = "postgresql://USER:KEY@HOST/CONNECTION";

    /// <summary>Reads <see cref="Shape"/>; false where it is something else. A part is percent-decoded, as in any URI.</summary>
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

    /// <summary>Without the key: what is printed by chance must not hold it.</summary>
    public override string ToString() => Connection;
}
