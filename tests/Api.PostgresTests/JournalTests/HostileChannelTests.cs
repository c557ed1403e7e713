using System.Net;
using Gateway.Api.PostgresTests.Clients;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>
/// Tests settings that a role may change, and that make PostgreSQL report more than it should. No part of the gateway's
/// own statements reaches a caller, and a session in which one failed is not used again.
/// </summary>
public sealed class HostileChannelTests(HostileDatabase database) : IClassFixture<HostileDatabase>
{
    /// <summary>Settings that make PostgreSQL report more.</summary>
    private static readonly string[] Channels =
    [
        "log_parameter_max_length_on_error = '-1'", "client_min_messages = 'debug5'", "client_min_messages = 'log'",
        "debug_print_parse = 'on'", "debug_print_rewritten = 'on'", "debug_print_plan = 'on'",
    ];

    public static TheoryData<string> EachChannel() => new(Channels);

    /// <summary>
    /// As settings of the session, all of them together, and as settings of the role for new sessions.
    /// </summary>
    [Theory]
    [MemberData(nameof(EachChannel))]
    public async Task StatementOfTheGatewaysOwnThatFails_TellsNothingAndCostsTheSession(string channel)
    {
        var (name, value) = (channel.Split(" = ")[0], channel.Split(" = ")[1]);
        foreach (var isOfTheRole in new[] { false, true })
        {
            await database.AdministerAsync(isOfTheRole ? $"ALTER ROLE {database.Role} SET {channel}" : $"ALTER ROLE {database.Role} RESET ALL");
            await using var gateway = await database.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");
            var before = (await gateway.Client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();
            var sql = $"SELECT set_config('{name}', {value}, false) AS a, set_config('debug_print_plan', 'on', false) AS b, "
                + "set_config('client_min_messages', 'log', false) AS c, set_config('transaction_read_only', 'on', false) AS d";

            var id = $"channel/{Guid.NewGuid():N}";
            var told = await gateway.Client.SqlAsync(new { query = sql }, ("Idempotency-Key", id));
            var problem = await gateway.Client.PostAsync("execute", new { activityId = $"{id}/2", sql });

            Assert.Equal(HttpStatusCode.BadRequest, told.Status);
            Assert.Equal("25006", told.Json.GetProperty("code").GetString());
            problem.ExpectProblem(422, "read_only");
            Assert.Equal("no", problem.Json.GetProperty("committed").GetString());
            foreach (var answer in new[] { told.Text, problem.Text })
            {
                Assert.DoesNotContain("gateway_journal", answer);
                Assert.DoesNotContain("PL/pgSQL", answer);
                Assert.DoesNotContain("$1", answer);
                Assert.DoesNotMatch(@"\\x[0-9a-f]{8}", answer);
            }
            Assert.NotEqual(before, (await gateway.Client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32());
            // Nothing is recorded, so the corrected request runs.
            var corrected = await gateway.Client.PostAsync("execute", new { activityId = id, sql = "SELECT 1 AS a" });
            Assert.Equal("false", corrected.Headers["Idempotent-Replayed"]);
            corrected.Expect(HttpStatusCode.OK);
        }
        await database.AdministerAsync($"ALTER ROLE {database.Role} RESET ALL");
        await database.AssertVictimIsAnsweredAsync();
    }

    /// <summary>The effect of the role's setting on an error that the journal raises regularly.</summary>
    [Theory]
    [MemberData(nameof(EachChannel))]
    public async Task ReplayAndMismatch_AreAsEverWithIt(string channel)
    {
        await database.AdministerAsync($"ALTER ROLE {database.Role} SET {channel}");
        await using (var gateway = await database.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1"))
        {
            var id = $"channel/{Guid.NewGuid():N}";
            var first = await gateway.Client.PostAsync("execute", new { activityId = id, sql = "SELECT 1 AS a" });
            var second = await gateway.Client.PostAsync("execute", new { activityId = id, sql = "SELECT 1 AS a" });
            var other = await gateway.Client.PostAsync("execute", new { activityId = id, sql = "SELECT 2 AS a" });

            Assert.Equal(first.Expect(HttpStatusCode.OK).GetRawText(), second.Expect(HttpStatusCode.OK).GetRawText());
            other.ExpectProblem(422, "activity_mismatch");
        }
        await database.AdministerAsync($"ALTER ROLE {database.Role} RESET ALL");
    }

    /// <summary>
    /// New sessions of the role are impossible then; open ones, and those of the control role, are not affected.
    /// </summary>
    [Fact]
    public async Task SettingThatMakesNewSessionsImpossible_IsSaidByReadiness()
    {
        await using var gateway = await database.StartGatewayAsync(
            "--Gateway:ReadinessIntervalMs=50", "--Gateway:ReadinessFailures=1", "--Gateway:Connections:default:PoolSize=1");
        (await gateway.Client.QueryAsync("SELECT 1")).GetRawText();

        await database.AdministerAsync($"ALTER ROLE {database.Role} SET local_preload_libraries = 'nope'");
        try
        {
            var said = await Answer.UntilAsync(() => gateway.Client.GetAsync("/healthz/ready"), answer => answer.Status == HttpStatusCode.ServiceUnavailable);
            Assert.Contains("SQLSTATE 58P01", said.Text);
            // The open session is still used.
            Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
        }
        finally
        {
            await database.AdministerAsync($"ALTER ROLE {database.Role} RESET ALL");
        }
        await Answer.UntilAsync(() => gateway.Client.GetAsync("/healthz/ready"), answer => answer.Status == HttpStatusCode.OK);
    }
}
