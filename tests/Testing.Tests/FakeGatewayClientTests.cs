using Gateway.Client;
using Gateway.Contracts;

namespace Gateway.Testing.Tests;

/// <summary>Tests that a fake client answers as a gateway would.</summary>
public sealed class FakeGatewayClientTests
{
    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    private sealed record User(long Id, DateTimeOffset CreatedAt);

    [Fact]
    public async Task Rows_AreReadAsThoseOfAGateway()
    {
        var created = new DateTimeOffset(2026, 2, 1, 12, 0, 0, TimeSpan.Zero);
        var client = new FakeGatewayClient(
            _ => FakeRows.Of(new { Id = 1, CreatedAt = created }, new { Id = 2, CreatedAt = created }));

        var answer = await client.QueryAsync(
            new QueryRequest { ActivityId = "a", Sql = "select id", MaxRows = 1 }, Ending);

        Assert.Equal(["id", "created_at"], answer.Columns.Select(column => column.Name));
        Assert.Equal([new User(1, created)], answer.RowsAs<User>());
        Assert.Equal((1, true, "SELECT"), (answer.RowCount, answer.Truncated, answer.Command));
    }

    [Fact]
    public async Task Stream_HasTheRowsOfTheAnswer()
    {
        var client = new FakeGatewayClient(_ => FakeRows.Of(new { id = 1 }, new { id = 2 }));

        Assert.Equal([1L, 2L], await client.StreamAsync<long>("a", "SELECT id FROM users").ToListAsync(Ending));
    }

    [Fact]
    public async Task RowsAsArrays_HaveTheirColumns()
    {
        var client = new FakeGatewayClient(_ => FakeRows.Of(new { id = 1, name = "x" }));

        var answer = await client.ExecuteAsync(
            new ExecuteRequest { ActivityId = "a", Sql = "INSERT", RowFormat = RowFormat.Array }, Ending);

        Assert.Equal("""[1,"x"]""", Assert.Single(answer.Rows).GetRawText());
    }

    [Fact]
    public async Task WriteThatComesAgain_IsAReplayOfItsActivity()
    {
        var count = 0;
        var client = new FakeGatewayClient(_ => FakeRows.Of(new { id = ++count }));

        var first = await client.ExecuteAsync("a", "INSERT", new { x = 1 }, cancellationToken: Ending);
        var again = await client.ExecuteAsync(
            new ExecuteRequest
            {
                ActivityId = "a",
                Attempt = 2,
                Sql = "INSERT",
                Parameters = StatementParameters.From(new { x = 1 }),
                TimeoutMs = 100,
                OnDisconnect = OnDisconnect.Continue,
            },
            Ending);
        var other = await client.ExecuteAsync("b", "INSERT", new { x = 1 }, cancellationToken: Ending);

        Assert.Equal((false, true, false), (first.Replayed, again.Replayed, other.Replayed));
        Assert.Equal([1L, 1L, 2L], new[] { first, again, other }.Select(answer => answer.RowsAs<long>()[0]));
        Assert.Equal(["a", "b"], client.Statements.Select(statement => statement.ActivityId));
    }

    [Fact]
    public async Task AnotherRequestUnderTheId_IsAMismatch()
    {
        var client = new FakeGatewayClient(_ => FakeRows.Affected(1));
        await client.ExecuteAsync("a", "UPDATE t SET x = 1", cancellationToken: Ending);

        var error = await Assert.ThrowsAsync<GatewayException>(
            () => client.ExecuteAsync("a", "UPDATE t SET x = 2", attempt: 3, cancellationToken: Ending));

        Assert.Equal(("activity_mismatch", false, 3), (error.Code, error.Retryable, error.Attempt));
        Assert.Equal(422, (int?)error.Status);
    }

    [Fact]
    public async Task AtLeastOnce_IsAnsweredEachTime()
    {
        var client = new FakeGatewayClient(_ => FakeRows.Affected(1));
        var request = new ExecuteRequest { ActivityId = "a", Sql = "UPDATE", Delivery = Delivery.AtLeastOnce };

        await client.ExecuteAsync(request, Ending);
        await client.ExecuteAsync(request, Ending);

        Assert.Equal(2, client.Statements.Count);
        Assert.Null(await client.FindActivityAsync("a", cancellationToken: Ending));
    }

    [Fact]
    public async Task FailureOfTheFunction_IsNotRecorded()
    {
        var isDown = true;
        var client = new FakeGatewayClient(
            _ => isDown ? throw FakeProblem.Of(ProblemCode.DatabaseUnavailable) : FakeRows.Affected(1));

        var error = await Assert.ThrowsAsync<GatewayException>(
            () => client.ExecuteAsync("a", "UPDATE", cancellationToken: Ending));
        isDown = false;
        var answer = await client.ExecuteAsync("a", "UPDATE", cancellationToken: Ending);

        Assert.Equal(("database_unavailable", true, Committed.No), (error.Code, error.Retryable, error.Committed));
        Assert.False(answer.Replayed);
    }

    [Fact]
    public async Task Transaction_AsksForEachStatementAndIsRecorded()
    {
        var client = new FakeGatewayClient(statement => statement.Sql.StartsWith("INSERT", StringComparison.Ordinal)
            ? FakeRows.Of(new { id = 5 })
            : FakeRows.Affected(2));
        var request = new TransactionRequest
        {
            ActivityId = "t",
            Statements = [new TransactionStatement { Sql = "INSERT" }, new TransactionStatement { Sql = "UPDATE" }],
        };

        var first = await client.TransactionAsync(request, Ending);
        var again = await client.TransactionAsync(request with { Attempt = 2 }, Ending);

        Assert.Equal(5, first.Results[0].RowsAs<long>()[0]);
        Assert.Equal(("UPDATE", 2L), (first.Results[1].Command, first.Results[1].RowCount));
        Assert.True(again.Replayed);
        Assert.Equal(2, client.Statements.Count);
        var status = await client.FindActivityAsync("t", cancellationToken: Ending);
        Assert.Equal(ActivityStatus.Completed, status!.Status);
        Assert.Equal("t", status.Response!.Value.GetProperty("activityId").GetString());
    }

    [Fact]
    public async Task AnotherNumberOfRowsThanExpected_FailsAndIsNotRecorded()
    {
        var client = new FakeGatewayClient(_ => FakeRows.Affected(0));
        var expected = new Expectation { RowCount = 1 };
        var request = new ExecuteRequest { ActivityId = "a", Sql = "UPDATE", Expect = expected };

        var error = await Assert.ThrowsAsync<GatewayException>(() => client.ExecuteAsync(request, Ending));

        Assert.Equal("expectation_failed", error.Code);
        Assert.Null(await client.FindActivityAsync("a", cancellationToken: Ending));
    }

    [Fact]
    public async Task RowsThatNoStatementReturns_AreRefused()
    {
        var values = new FakeGatewayClient(_ => FakeRows.Of(7));
        var mixed = new FakeGatewayClient(_ => FakeRows.Of(new { id = 1 }, new { name = "x" }));

        foreach (var client in new[] { values, mixed })
        {
            await Assert.ThrowsAsync<ArgumentException>(
                () => client.QueryAsync<long>("a", "SELECT", cancellationToken: Ending));
        }
    }

    /// <summary>The problems have the gateway's own statuses.</summary>
    [Theory]
    [InlineData(ProblemCode.Saturated, "saturated", 503, true)]
    [InlineData(ProblemCode.SqlError, "sql_error", 422, false)]
    [InlineData(ProblemCode.ActivityInFlight, "activity_in_flight", 409, true)]
    public void Problem_IsThatOfItsCode(ProblemCode code, string name, int status, bool retryable)
    {
        var error = FakeProblem.Of(code, "Said.", Committed.Unknown);

        Assert.Equal((name, status, retryable), (error.Code, (int)error.Status!, error.Retryable));
        Assert.Equal(Committed.Unknown, error.Committed);
        Assert.Equal($"/problems/{name}", error.Problem!.Type);
        Assert.Contains("Said.", error.Message);
    }
}
