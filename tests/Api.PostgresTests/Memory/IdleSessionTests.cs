using System.Runtime.CompilerServices;
using Gateway.Api.Hosting;
using Gateway.Api.Postgres;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.PostgresTests.Memory;

/// <summary>
/// An idle session keeps no parameter of its last request. Nothing counts that memory, and a session may be idle for hours.
/// </summary>
public sealed class IdleSessionTests(GatewayFixture fixture)
{
    private static readonly CancellationToken NoEnd = CancellationToken.None;

    [Theory]
    [InlineData("read")]
    [InlineData("prepared")]
    [InlineData("write")]
    [InlineData("failed")]
    public async Task LastRequestsParameter_IsNotKept(string kind)
    {
        ConnectionStartup.SendStatementsAsTheyCome();
        await using var source = SessionSource.Plain(NpgsqlDataSource.Create(fixture.Dsn));
        await using var session = new Session(
            await source.OpenConnectionAsync(NoEnd), default, new Watchdog(source, source, TimeProvider.System),
            TimeProvider.System, keepsQueries: true);

        var (commands, parameter) = Make(kind == "failed" ? "SELECT length($1) / 0" : "SELECT length($1)");
        try
        {
            var end = kind switch
            {
                "read" => RoundTripEnd.RollBack,
                "prepared" => RoundTripEnd.RollBackQueries,
                _ => RoundTripEnd.Open,
            };
            // A query is prepared when it comes again.
            for (var time = 0; kind == "prepared" && time < 2; time++)
                session.Transaction.Queries!.UseForQuery(commands[0], []);
            await using var reader = await session.Transaction.BeginAsync("BEGIN", commands, end);
            await reader.ReadAsync(NoEnd);
        }
        catch (PostgresException) when (kind == "failed")
        {
            await session.RollBackAsync();
        }
        if (kind == "write")
            Assert.IsType<CommitOutcome.Committed>(await session.Transaction.CommitAsync(record: null));
        commands.Clear();
        session.MarkIdle();

        Assert.Equal(kind == "prepared", session.MayHoldStatements);

        Assert.True(session.IsClean);
        // A thread may keep its last work in its registers until it has other work.
        await Poll.UntilAsync(async () =>
        {
            await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(() => { })));
#pragma warning disable RS0030 // Only a collection shows whether something still refers to the parameter.
            GC.Collect();
#pragma warning restore RS0030
            return !parameter.IsAlive;
        });
    }

    /// <summary>Not inlined, so that no local of the test refers to the parameter.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (List<NpgsqlBatchCommand> Commands, WeakReference Parameter) Make(string sql)
    {
        var value = new string('1', 100_000);
        var parameter = new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Unknown, Value = value };
        return ([new NpgsqlBatchCommand(sql) { Parameters = { parameter } }], new WeakReference(value));
    }
}
