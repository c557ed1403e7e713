using System.Net;
using Gateway.Api.Configuration;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests a password that changes while the gateway runs.</summary>
public sealed class PasswordFileTests(GatewayFixture server) : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-password").FullName;
    private string _database = "";
    private LoginRole? _role;

    private string PasswordPath => Path.Combine(_folder, "password");

    public async ValueTask InitializeAsync()
    {
        _database = await server.CreateDatabaseWithoutJournalAsync();
        _role = await LoginRole.CreateAsync(_database, "");
        await ChangeAsync("first, with a blank ");
        WriteFile("first, with a blank \n");
    }

    public async ValueTask DisposeAsync()
    {
        await _role!.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>All sessions are terminated, so that each request needs a new one.</summary>
    [Fact]
    public async Task ChangedPassword_IsTakenWithoutARestart()
    {
        await using var gateway = await StartAsync();
        Assert.Equal(_role!.Name, (await gateway.Client.QueryValueAsync("SELECT current_user")).GetString());

        await ChangeAsync("second");
        await EndSessionsAsync();
        var between = await gateway.Client.PostAsync("query", new { activityId = "between", sql = "SELECT 1" });
        WriteFile("second");
        var after = await gateway.Client.PostAsync("query", new { activityId = "after", sql = "SELECT 1" });

        Assert.True(between.ExpectProblem(503, "database_unavailable").GetProperty("retryable").GetBoolean());
        after.Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task FileThatIsGone_LeavesTheLastPasswordInUse(bool isThere)
    {
        await using var gateway = await StartAsync();
        if (isThere)
            WriteFile("");
        else
            File.Delete(PasswordPath);
        await EndSessionsAsync();

        Assert.Equal(_role!.Name, (await gateway.Client.QueryValueAsync("SELECT current_user")).GetString());
    }

    [Theory]
    [InlineData(null, "can't be read")]
    [InlineData("\n", "is empty")]
    public async Task FileWithoutAPassword_IsAFaultOfTheStart(string? content, string fault)
    {
        if (content is null)
            File.Delete(PasswordPath);
        else
            WriteFile(content);

        var refused = await Assert.ThrowsAsync<StartupException>(StartAsync);

        Assert.StartsWith($"Gateway__Connections__default__PasswordFile: {PasswordPath} {fault}", refused.Message);
    }

    [Fact]
    public async Task PasswordInTheDsnToo_IsAFaultOfTheStart()
    {
        var refused = await Assert.ThrowsAsync<StartupException>(
            () => RunningGateway.StartAsync($"--DSN={_role!.Dsn}", $"--Gateway:Connections:default:PasswordFile={PasswordPath}"));

        Assert.Contains("Gateway__Connections__default__PasswordFile and DSN both have a password", refused.Message);
        Assert.DoesNotContain("first", refused.Message);
    }

    /// <summary>The command also connects with the connection's own DSN, to test the installed journal.</summary>
    [Fact]
    public async Task JournalInstall_TakesTheFilesPassword()
    {
        var (code, errors, output) = await GatewayProcess.RunAsync(
            new Dictionary<string, string>
            {
                ["DSN"] = WithoutPassword(),
                ["Gateway__Connections__default__PasswordFile"] = PasswordPath,
                ["Gateway__Connections__default__ControlDsn"] = _role!.ControlDsn,
                ["ADMIN_DSN"] = _database,
            },
            "journal", "install");

        Assert.True(code == 0, $"{output} {errors}");
    }

    private Task<RunningGateway> StartAsync() =>
        RunningGateway.StartAsync($"--DSN={WithoutPassword()}", $"--Gateway:Connections:default:PasswordFile={PasswordPath}");

    private string WithoutPassword() => new NpgsqlConnectionStringBuilder(_role!.Dsn) { Password = null }.ConnectionString;

    private Task ChangeAsync(string password) => GatewayFixture.ExecuteAsync(_database, $"ALTER ROLE {_role!.Name} PASSWORD '{password}'");

    private Task EndSessionsAsync() => GatewayFixture.ExecuteAsync(
        _database, $"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{_role!.Name}'");

    /// <summary>Writes the file as a mounted secret changes: the new file replaces the old one atomically.</summary>
    private void WriteFile(string content)
    {
        var written = Path.Combine(_folder, "new");
        File.WriteAllText(written, content);
        File.Move(written, PasswordPath, overwrite: true);
    }
}
