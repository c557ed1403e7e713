using Gateway.Api.Dsns;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Tests.Postgres;

public sealed class ServerHostsTests
{
    [Theory]
    [InlineData("a", null, false, false)]
    [InlineData("a,b", null, true, false)]
    [InlineData("a,b", "any", true, false)]
    [InlineData("a,b", "primary", false, true)]
    [InlineData("a,b", "read-write", false, true)]
    [InlineData("a,b", "prefer-standby", true, true)]
    [InlineData("a,b", "standby", true, true)]
    public void Sessions_AreOnOneServerOrOnSeveral(string hosts, string? attributes, bool areSpread, bool areOrdered)
    {
        var read = Read(hosts, attributes);

        Assert.Equal(areSpread ? 2 : 0, read.Spread.Count);
        Assert.Equal(areOrdered, read.IsOrdered);
    }

    [Fact]
    public void LoadBalancedHosts_HaveNoOrder() =>
        Assert.False(new ServerHosts(Dsn("a,b", "prefer-standby", balanced: true), new LastHost()).IsOrdered);

    [Theory]
    [InlineData("a,b,c", "b:5432", null)]
    [InlineData("a:5432,b:5432,c:5432", "b:5432", "b:5432,a:5432,c:5432")]
    [InlineData("a:5432,b:5432", "a:5432", null)]
    [InlineData("[::1]:1,[::2]:2", "[::2]:2", "[::2]:2,[::1]:1")]
    [InlineData("a:5432,b:5432", "other:5432", null)]
    public void LastHost_ComesFirst(string hosts, string last, string? order) =>
        Assert.Equal(order, new ServerHosts(Dsn(hosts, "primary"), new LastHost { Name = last }).Choice.Order);

    [Fact]
    public void ChosenHost_IsTheOnlyOneOfTheConnectionString()
    {
        var dsn = Dsn("a:1,[::2]:2,/run/db:3", "prefer-standby", balanced: true);
        var hosts = new ServerHosts(dsn, new LastHost());

        Assert.Equal(("a", 1), Apply(new DsnHost("a", 1)));
        Assert.Equal(("::2", 2), Apply(new DsnHost("::2", 2)));
        Assert.Equal(("/run/db", 3), Apply(new DsnHost("/run/db", 3)));
        // A host that the DSN does not name: the DSN chooses.
        Assert.Equal((dsn.Host, dsn.Port), Apply(new DsnHost("d", 1)));
        Assert.Equal((dsn.Host, dsn.Port), Apply(null));

        (string?, int) Apply(DsnHost? host)
        {
            var settings = new NpgsqlConnectionStringBuilder(dsn.ConnectionString);
            hosts.ChoiceOf(host).ApplyTo(settings);
            // Npgsql refuses conditions for one host.
            using var source = NpgsqlDataSource.Create(settings);
            return (settings.Host, settings.Port);
        }
    }

    /// <summary>If the other one has the answer, it makes no difference; otherwise nobody knows it.</summary>
    [Fact]
    public async Task HostThatCantBeAsked_IsAFaultUnlessAnotherAnswerIsEnough()
    {
        var hosts = Read("a,b", null);

        Assert.Equal(["b"], await hosts.AskEachAsync(AskB, name => name == "b"));
        await Assert.ThrowsAsync<NpgsqlException>(() => hosts.AskEachAsync(AskB, name => name == "c"));
        await Assert.ThrowsAsync<NpgsqlException>(() => hosts.AskEachAsync(_ => Fail<int>(), _ => true));
        var primary = Read("a,b", "primary");
        Assert.Equal([true], await primary.AskEachAsync(host => Task.FromResult(host is null), _ => true));

        static Task<string> AskB(DsnHost? host) => host!.Name == "b" ? Task.FromResult("b") : Fail<string>();

        static Task<T> Fail<T>() => Task.FromException<T>(new NpgsqlException());
    }

    private static ServerHosts Read(string hosts, string? attributes) => new(Dsn(hosts, attributes), new LastHost());

    private static NpgsqlConnectionStringBuilder Dsn(string hosts, string? attributes, bool balanced = false) => new()
    {
        Host = hosts,
        Username = "me",
        TargetSessionAttributes = attributes,
        LoadBalanceHosts = balanced,
    };
}
