using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Allows privileged roles. The tests' role creates databases, terminates sessions and owns objects; outside of
/// Development a gateway serves such a role only if a setting allows it.
/// </summary>
internal static partial class PrivilegedRoles
{
    /// <summary>Returns the settings that allow it, for each connection in the given settings.</summary>
    /// <param name="settings">Names of settings, as arguments or as environment variables.</param>
    public static IEnumerable<string> Allow(IEnumerable<string> settings) =>
        from setting in settings
        select DsnSetting().Match(setting) into dsn
        where dsn.Success
        let connection = dsn.Groups["connection"] is { Success: true } name ? name.Value : "default"
        select $"--Gateway:Connections:{connection}:AllowPrivilegedRole=true";

    [GeneratedRegex("^(--)?(DSN|Gateway(:|__)Connections(:|__)(?<connection>[^:=]+?)(:|__)Dsn)(=|$)")]
    private static partial Regex DsnSetting();
}
