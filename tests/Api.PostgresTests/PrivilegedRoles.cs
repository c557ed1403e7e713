using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// The tests' role makes databases, kills sessions and owns what it meets: outside of Development a gateway serves by such a role only
/// where it is told to.
/// </summary>
internal static partial class PrivilegedRoles
{
    /// <summary>The settings that tell so, for each connection among those given.</summary>
    /// <param name="settings">The names of settings, as arguments or as environment variables have them.</param>
    public static IEnumerable<string> Allow(IEnumerable<string> settings) =>
        from setting in settings
        select DsnSetting().Match(setting) into dsn
        where dsn.Success
        let connection = dsn.Groups["connection"] is { Success: true } name ? name.Value : "default"
        select $"--Gateway:Connections:{connection}:AllowPrivilegedRole=true";

    [GeneratedRegex("^(--)?(DSN|Gateway(:|__)Connections(:|__)(?<connection>[^:=]+?)(:|__)Dsn)(=|$)")]
    private static partial Regex DsnSetting();
}
