namespace Gateway.LocalPostgres.Tests;

/// <summary>
/// Tests that, started by root, the server runs as another user, which must be able to reach its folder.
/// </summary>
public sealed class AccountTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task FolderOutOfReach_AnotherStandsInForItAndKeepsTheData()
    {
        List<string> said = [];
        var options = _folder.Options(keepData: true) with { Folder = _folder.In("closed/a/b"), Progress = said.Add };
        Directory.CreateDirectory(_folder.In("closed"));
        File.SetUnixFileMode(
            _folder.In("closed"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        string folder;
        await using (var server = await LocalPostgresServer.StartAsync(options))
        {
            folder = server.Folder;
            await Ask.SqlAsync(server, "CREATE TABLE kept AS SELECT 42 AS n");
        }
        // No longer kept, so that the folder outside the test's own is deleted.
        var e = options with { KeepData = false, Search = new ServerSearch { Ways = [] } };
        await using (var server = await LocalPostgresServer.StartAsync(options))
        {
            Assert.Equal(folder, server.Folder);
            Assert.Equal(42, await Ask.SqlAsync(server, "SELECT n FROM kept"));
        }
        await Assert.ThrowsAsync<LocalPostgresException>(() => LocalPostgresServer.StartAsync(e));
        Assert.False(Directory.Exists(folder));

        if (Environment.IsPrivilegedProcess)
        {
            Assert.NotEqual(options.Folder, folder);
            var sentence = $"can't enter {_folder.In("closed")}: using {folder}";
            Assert.Contains(said, s => s.Contains(sentence, StringComparison.Ordinal));
        }
        else
        {
            Assert.Equal(options.Folder, folder);
        }
    }

    [Fact]
    public async Task Server_RunsAsAnOrdinaryUserThatOwnsItsData()
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        var account = await ServerAccount.FindAsync(default);
        Assert.Equal(Environment.IsPrivilegedProcess, account.IsOther);

        var data = Path.Combine(server.Folder, "data");
        var owns = await Command.RunAsync(
            account.Wrap("sh", "-c", "[ -O \"$1\" ] && [ \"$(id -u)\" != 0 ]", "sh", data),
            TimeSpan.FromSeconds(10), default);
        Assert.True(owns.Succeeded);
        // Only the owner may read the password: the server has a SCRAM verifier only.
        var reads = await Command.RunAsync(
            account.Wrap("cat", Path.Combine(server.Folder, "password")), TimeSpan.FromSeconds(10), default);
        Assert.Equal(!account.IsOther, reads.Succeeded);
    }

    [Fact]
    public async Task SharedFolderThatOthersCanWriteTo_IsRefused()
    {
        var account = await ServerAccount.FindAsync(default);
        var shared = await ServerFolder.SharedAsync(account, default);
        await ServerFolder.RefuseUnlessOursAsync(shared, default);
        Directory.CreateDirectory(_folder.In("open"));
        File.SetUnixFileMode(_folder.In("open"), File.GetUnixFileMode(_folder.Path) | UnixFileMode.OtherWrite);
        await Assert.ThrowsAsync<LocalPostgresException>(
            () => ServerFolder.RefuseUnlessOursAsync(_folder.In("open"), default));
    }
}
