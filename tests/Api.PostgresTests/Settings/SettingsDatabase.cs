using Npgsql;

namespace Gateway.Api.PostgresTests.Settings;

/// <summary>A database with a table of effects, for roles that change their own settings.</summary>
internal sealed class SettingsDatabase : IAsyncDisposable
{
    private const string Schema =
        """
        CREATE TABLE effect (activity text NOT NULL, tags text[]);
        GRANT SELECT, INSERT ON effect TO PUBLIC;
        CREATE TYPE kind AS ENUM ('a');
        """;

    private readonly List<LoginRole> _roles = [];

    private SettingsDatabase(string admin, NpgsqlConnection session) => (Admin, Session) = (admin, session);

    /// <summary>Gets a superuser's DSN.</summary>
    public string Admin { get; }

    /// <summary>Gets a superuser's session.</summary>
    public NpgsqlConnection Session { get; }

    public static async Task<SettingsDatabase> CreateAsync(GatewayFixture fixture)
    {
        var admin = await fixture.CreateDatabaseWithoutJournalAsync();
        var database = new SettingsDatabase(admin, await GatewayFixture.OpenAsync(admin));
        await database.ExecuteAsync(Schema);
        return database;
    }

    /// <summary>Creates a role for a gateway.</summary>
    public async Task<LoginRole> CreateRoleAsync()
    {
        var role = await LoginRole.CreateAsync(Admin, "");
        _roles.Add(role);
        await role.InstallJournalAsync();
        return role;
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, Session);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Returns the number of effects of each activity.</summary>
    public Task<IReadOnlyDictionary<string, long>> EffectsAsync() =>
        GatewayFixture.ReadCountsAsync(Session, "SELECT activity, count(*) FROM effect GROUP BY activity");

    public async ValueTask DisposeAsync()
    {
        await Session.DisposeAsync();
        foreach (var role in _roles)
            await role.DisposeAsync();
    }
}
