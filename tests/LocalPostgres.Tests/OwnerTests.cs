using System.Diagnostics;
using System.Text;

namespace Gateway.LocalPostgres.Tests;

/// <summary>Tests that a server has one owner, and ends with it.</summary>
public sealed class OwnerTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task KilledOwner_TakesItsServerAlong()
    {
        var options = _folder.Options(keepData: true);
        using var owner = Process.Start(new ProcessStartInfo(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            [typeof(OwnerTests).Assembly.Location, "own", options.Folder])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        var dsn = await owner.StandardOutput.ReadLineAsync();
        Assert.StartsWith("postgresql://", dsn);
        var port = new Uri(dsn!).Port;
        Assert.True(await ServerProbe.AnswersAsync(port, default));

        owner.Kill();
        await Ask.UntilNothingRunsInAsync(options.Folder);
        Assert.Contains(
            "received fast shutdown request",
            await File.ReadAllTextAsync(Path.Combine(options.Folder, "server.log")),
            StringComparison.Ordinal);

        await using var next = await LocalPostgresServer.StartAsync(options);
        Assert.Equal(1, await Ask.SqlAsync(next, "SELECT 1"));
    }

    [Fact]
    public async Task StaleServer_IsStoppedAndItsDataKept()
    {
        var options = _folder.Options(keepData: true);
        await StartWithoutOwnerAsync(options);
        var stale = await StaleServer.FindAsync(Path.Combine(options.Folder, "data"), default);
        Assert.NotNull(stale);

        await using var server = await LocalPostgresServer.StartAsync(options);
        Assert.Equal(42, await Ask.SqlAsync(server, "SELECT n FROM kept"));
        var current = await StaleServer.FindAsync(Path.Combine(options.Folder, "data"), default);
        Assert.NotEqual(stale, current);
    }

    [Fact]
    public async Task ProcessThatIsNoServer_IsNotTakenForAStaleOne()
    {
        var data = _folder.In("data");
        Directory.CreateDirectory(data);
        await File.WriteAllTextAsync(Path.Combine(data, "postmaster.pid"), $"{Environment.ProcessId}\n{data}\n");
        Assert.Null(await StaleServer.FindAsync(data, default));
    }

    [Fact]
    public async Task KilledWatchdog_StopStillEndsTheServer()
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        var data = Path.Combine(server.Folder, "data");
        using (var watchdog = Process.GetProcessById(server.WatchdogId))
            watchdog.Kill();
        await server.StopAsync();
        Assert.Null(await StaleServer.FindAsync(data, default));
        await server.StartAgainAsync();
        Assert.Equal(1, await Ask.SqlAsync(server, "SELECT 1"));
    }

    [Fact]
    public async Task FolderInUse_SaysWhoAndWhatToDo()
    {
        var options = _folder.Options(keepData: true);
        await using var server = await LocalPostgresServer.StartAsync(options);
        foreach (var second in (LocalPostgresOptions[])[options, options with { KeepData = false }])
        {
            var e = await Assert.ThrowsAsync<LocalPostgresException>(() => LocalPostgresServer.StartAsync(second));
            Assert.Equal(
                $"Another gateway is using the private PostgreSQL in {options.Folder}: stop it, or set DSN.",
                e.Message);
        }
        Assert.Equal(1, await Ask.SqlAsync(server, "SELECT 1"));
    }

    [Fact]
    public async Task HalfMadeData_IsMadeAnew()
    {
        var options = _folder.Options(keepData: true);
        var half = Path.Combine(options.Folder, "data.new-killed");
        Directory.CreateDirectory(half);
        File.SetUnixFileMode(options.Folder, File.GetUnixFileMode(_folder.Path));
        await File.WriteAllTextAsync(Path.Combine(half, "PG_VERSION"), "17\n");
        await using var server = await LocalPostgresServer.StartAsync(options);
        Assert.Equal(1, await Ask.SqlAsync(server, "SELECT 1"));
        Assert.False(Directory.Exists(half));
    }

    [Theory]
    [InlineData("secret", "was made by PostgreSQL 10")]
    [InlineData("", "The password of the private PostgreSQL is gone")]
    public async Task DataThatCanNotBeServed_IsLeftAloneAndSaidSo(string password, string says)
    {
        var options = _folder.Options(keepData: true);
        var version = Path.Combine(options.Folder, "data/PG_VERSION");
        Directory.CreateDirectory(Path.GetDirectoryName(version)!);
        File.SetUnixFileMode(options.Folder, File.GetUnixFileMode(_folder.Path));
        await File.WriteAllTextAsync(version, "10\n");
        await File.WriteAllTextAsync(Path.Combine(options.Folder, "password"), password);

        var e = await Assert.ThrowsAsync<LocalPostgresException>(() => LocalPostgresServer.StartAsync(options));
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(version));
    }

    [Fact]
    public async Task FolderOfADeadTestRun_IsSweptUp()
    {
        var account = await ServerAccount.FindAsync(default);
        var tests = Path.Combine(await ServerFolder.SharedAsync(account, default), "tests");
        ServerFolder.Create(tests, account);
        var dead = Path.Combine(tests, "dead-" + Guid.NewGuid());
        await StartWithoutOwnerAsync(_folder.Options(keepData: true) with { Folder = dead });

        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        Assert.False(Directory.Exists(dead));
        // At once: it was stopped, and did not end because its data was lost.
        Assert.DoesNotContain(await Ask.CommandLinesAsync(), line => line.Contains(dead, StringComparison.Ordinal));
        Assert.True(Directory.Exists(server.Folder));
    }

    [Fact]
    public async Task Watchdog_KeepsNothingOfItsOwnersOpen()
    {
        var log = _folder.In("log");
        // Acts as a server that writes to everything that it may have inherited, and reads its input to the end.
        const string Server = "echo output; echo error >&2; { echo leaked >&5; } 2>/dev/null; cat; exit 3";
        var run = await Command.RunAsync(
            ["sh", "-c", "exec 5>&1; sh -c \"$1\" watchdog \"$2\" '' sh -c \"$3\"", "sh",
                Resources.Read("watchdog.sh"), log, Server],
            TimeSpan.FromMinutes(1), default);
        Assert.Equal(3, run.ExitCode);
        Assert.Equal("", run.Output);
        Assert.Equal("output\nerror\n", await File.ReadAllTextAsync(log, Encoding.UTF8));
    }

    /// <summary>Leaves a server running, with a table, as if its owner and its watchdog had both been killed.</summary>
    private static async Task StartWithoutOwnerAsync(LocalPostgresOptions options)
    {
        ServerCommand command;
        ServerAccount account;
        await using (var server = await LocalPostgresServer.StartAsync(options))
        {
            await Ask.SqlAsync(server, "CREATE TABLE kept AS SELECT 42 AS n");
            account = server.Source.Account;
            command = await server.Source.CommandAsync(
                new ServerFolder(options.Folder), Ports.PickFree(), options.Settings, default);
        }
        await Command.RunAsync(
            account.Wrap(["sh", "-c", "\"$@\" </dev/null >/dev/null 2>&1 &", "sh", .. command.Arguments]),
            TimeSpan.FromSeconds(10), default);
        var data = Path.Combine(options.Folder, "data");
        await Poll.UntilAsync(
            async () => await StaleServer.FindAsync(data, default) is not null, what: $"a server runs on {data}");
    }
}
