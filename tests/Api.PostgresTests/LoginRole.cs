using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Represents a role for one database, and its control role. Both are dropped, with everything that they own there.
/// </summary>
internal sealed class LoginRole(string admin, string name) : IAsyncDisposable
{
    public string Name => name;

    public string Dsn { get; } = DsnOf(admin, name);

    /// <summary>Gets the name of its control role.</summary>
    public string ControlName => $"{name}_control";

    public string ControlDsn { get; } = DsnOf(admin, $"{name}_control");

    /// <summary>Gets the gateway's setting for the control role.</summary>
    public string ControlSetting => $"--Gateway:Connections:default:ControlDsn={ControlDsn}";

    public static async Task<LoginRole> CreateAsync(string admin, string attributes)
    {
        var role = new LoginRole(admin, $"login_{Guid.NewGuid():N}"[..20]);
        await GatewayFixture.ExecuteAsync(admin, $"CREATE ROLE {role.Name} LOGIN PASSWORD 'login' {attributes}");
        await GatewayFixture.ExecuteAsync(admin, $"CREATE ROLE {role.ControlName} LOGIN PASSWORD 'login'");
        return role;
    }

    /// <summary>Installs the journal for the role, guarded by its control role.</summary>
    public Task InstallJournalAsync() => GatewayFixture.InstallJournalAsync(admin, name, JournalGuard.By(ControlName));

    public async ValueTask DisposeAsync()
    {
        await GatewayFixture.ExecuteAsync(admin, $"DROP OWNED BY {name}, {ControlName} CASCADE");
        await GatewayFixture.ExecuteAsync(admin, $"DROP ROLE {ControlName}, {name}");
    }

    private static string DsnOf(string admin, string role) =>
        new NpgsqlConnectionStringBuilder(admin) { Username = role, Password = "login" }.ConnectionString;
}
