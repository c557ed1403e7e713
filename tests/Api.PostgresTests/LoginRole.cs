using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>A role of one database's, dropped with all that it owns there.</summary>
internal sealed class LoginRole(string admin, string name) : IAsyncDisposable
{
    public string Name => name;

    public string Dsn { get; } = new NpgsqlConnectionStringBuilder(admin) { Username = name, Password = "login" }.ConnectionString;

    public static async Task<LoginRole> CreateAsync(string admin, string attributes)
    {
        var role = new LoginRole(admin, $"login_{Guid.NewGuid():N}"[..20]);
        await GatewayFixture.ExecuteAsync(admin, $"CREATE ROLE {role.Name} LOGIN PASSWORD 'login' {attributes}");
        return role;
    }

    public async ValueTask DisposeAsync()
    {
        await GatewayFixture.ExecuteAsync(admin, $"DROP OWNED BY {name} CASCADE");
        await GatewayFixture.ExecuteAsync(admin, $"DROP ROLE {name}");
    }
}
