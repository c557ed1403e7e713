using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Gateway.LocalPostgres.Tests;

/// <summary>Tests a running server, and the effects of stops and starts.</summary>
public sealed class ServerTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Started_HasTheSettingsThatItPromises()
    {
        const string Odd = @"it's a \ test";
        var settings = new Dictionary<string, string> { ["max_connections"] = "17", ["application_name"] = Odd };
        await using var server = await LocalPostgresServer.StartTemporaryAsync(settings);
        Assert.Equal("17", await Ask.SqlAsync(server, "SHOW max_connections"));
        Assert.Equal("127.0.0.1", await Ask.SqlAsync(server, "SHOW listen_addresses"));
        Assert.Equal("UTF8", await Ask.SqlAsync(server, "SHOW server_encoding"));
        Assert.Equal("off", await Ask.SqlAsync(server, "SHOW fsync"));
        Assert.Equal("on", await Ask.SqlAsync(server, "SHOW synchronous_commit"));
        Assert.Equal(
            Odd, await Ask.SqlAsync(server, "SELECT reset_val FROM pg_settings WHERE name = 'application_name'"));
        Assert.StartsWith(
            "SCRAM-SHA-256$",
            (string?)await Ask.SqlAsync(server, "SELECT rolpassword FROM pg_authid WHERE rolname = user"));

        var commandLines = await Ask.CommandLinesAsync();
        Assert.Contains(commandLines, line => line.Contains(server.Folder, StringComparison.Ordinal));
        Assert.DoesNotContain(commandLines, line => line.Contains(server.Password, StringComparison.Ordinal));
    }

    [Fact]
    public async Task WrongPassword_IsRefused()
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        await using var connection = new NpgsqlConnection(
            $"Host={server.Host};Port={server.Port};Username={server.Username};Password=wrong;Pooling=false");
        var e = await Assert.ThrowsAsync<PostgresException>(() => connection.OpenAsync());
        Assert.Equal(PostgresErrorCodes.InvalidPassword, e.SqlState);
    }

    [Fact]
    public async Task TwoAtOnce_AreTwoServers()
    {
        var servers = await Task.WhenAll(
            LocalPostgresServer.StartTemporaryAsync(), LocalPostgresServer.StartTemporaryAsync());
        await using var one = servers[0];
        await using var other = servers[1];
        await Ask.SqlAsync(one, "CREATE TABLE only_here ()");
        Assert.Equal(false, await Ask.SqlAsync(other, "SELECT to_regclass('only_here') IS NOT NULL"));
        Assert.NotEqual(one.Password, other.Password);
    }

    [Theory]
    [InlineData(ShutdownMode.Fast, "was shut down")]
    [InlineData(ShutdownMode.Immediate, "was interrupted")]
    public async Task Restarted_KeepsPortAndWhatWasCommitted(ShutdownMode mode, string logged)
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        var port = server.Port;
        await Ask.SqlAsync(server, "CREATE TABLE kept AS SELECT 42 AS n");

        await server.StopAsync(mode);
        Assert.False(await ServerProbe.AnswersAsync(port, default));
        await server.StopAsync(mode);
        await server.StartAgainAsync();
        await server.StartAgainAsync();

        Assert.Equal(port, server.Port);
        Assert.Equal(42, await Ask.SqlAsync(server, "SELECT n FROM kept"));
        var log = await File.ReadAllTextAsync(server.LogFile);
        Assert.Contains($"database system {logged}", log, StringComparison.Ordinal);
        await server.RestartAsync(mode);
        Assert.Equal(42, await Ask.SqlAsync(server, "SELECT n FROM kept"));
    }

    [Fact]
    public async Task KeepData_IsThereAtTheNextStart()
    {
        var options = _folder.Options(keepData: true);
        string password;
        await using (var first = await LocalPostgresServer.StartAsync(options))
        {
            password = first.Password;
            await Ask.SqlAsync(first, "CREATE TABLE kept AS SELECT 42 AS n");
        }
        await using var second = await LocalPostgresServer.StartAsync(options);
        Assert.Equal(password, second.Password);
        Assert.Equal(42, await Ask.SqlAsync(second, "SELECT n FROM kept"));
    }

    [Fact]
    public async Task DataNotKept_StartsEmptyAndLeavesOnlyWhatOthersPutThere()
    {
        var options = _folder.Options();
        await using (var kept = await LocalPostgresServer.StartAsync(options with { KeepData = true }))
            await Ask.SqlAsync(kept, "CREATE TABLE kept ()");
        var theirs = Path.Combine(options.Folder, "theirs");
        await File.WriteAllTextAsync(theirs, "");

        await using (var server = await LocalPostgresServer.StartAsync(options))
            Assert.Equal(false, await Ask.SqlAsync(server, "SELECT to_regclass('kept') IS NOT NULL"));
        Assert.Equal([theirs], Directory.GetFileSystemEntries(options.Folder));
    }

    [Fact]
    public async Task Temporary_LeavesNoFolderAndNoProcess()
    {
        var server = await LocalPostgresServer.StartTemporaryAsync();
        Assert.True(Directory.Exists(server.Folder));
        await server.DisposeAsync();
        await server.DisposeAsync();
        Assert.False(Directory.Exists(server.Folder));
        await Ask.UntilNothingRunsInAsync(server.Folder);
    }

    [Fact]
    public async Task PortTakenMeanwhile_AnotherIsTried()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var taken = ((IPEndPoint)listener.LocalEndpoint).Port;
        var picks = new Queue<int>([taken, taken]);
        var options = _folder.Options() with { PickPort = () => picks.TryDequeue(out var p) ? p : Ports.PickFree() };
        await using var server = await LocalPostgresServer.StartAsync(options);
        Assert.NotEqual(taken, server.Port);
        Assert.Empty(picks);
        Assert.Equal(1, await Ask.SqlAsync(server, "SELECT 1"));
    }

    [Fact]
    public async Task SettingThatPostgresRefuses_FailsWithTheLogsLastLines()
    {
        var settings = new Dictionary<string, string> { ["no_such_setting"] = "1" };
        var options = _folder.Options() with { Settings = settings };
        var e = await Assert.ThrowsAsync<LocalPostgresException>(() => LocalPostgresServer.StartAsync(options));
        Assert.Contains("configuration parameter \"no_such_setting\"", e.Message, StringComparison.Ordinal);
        Assert.Contains("DSN", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(options.Folder));
    }

    [Theory]
    [InlineData("data.new-*", false)]
    [InlineData("data/postmaster.pid", false)]
    // A server would end anyway when its data is deleted: kept data shows that it was stopped.
    [InlineData("data/postmaster.pid", true)]
    public async Task CancelledAtAStep_LeavesNothingRunning(string step, bool keepData)
    {
        var options = _folder.Options(keepData);
        using var cancel = new CancellationTokenSource();
        var start = LocalPostgresServer.StartAsync(options, cancel.Token);
        await Poll.UntilAsync(
            () => start.IsCompleted || Exists(options.Folder, step), what: $"the start comes to {step}");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
        Assert.Equal(keepData, Directory.Exists(options.Folder));
        await Ask.UntilNothingRunsInAsync(options.Folder);
    }

    private static bool Exists(string folder, string step) => step.EndsWith('*')
        ? Directory.Exists(folder) && Directory.GetDirectories(folder, step).Length > 0
        : File.Exists(Path.Combine(folder, step));
}
