using System.Text.Json;
using Gateway.Client;
using Gateway.Contracts;

using TypedClient = Gateway.Client.GatewayClient;

namespace Gateway.Api.PostgresTests.Clients;

/// <summary>Tests the typed .NET client against a real gateway.</summary>
public sealed class DotNetClientTests(DemoFixture gateway) : IClassFixture<DemoFixture>, IDisposable
{
    private readonly TypedClient _client = new(new GatewayClientOptions { Address = gateway.Address });

    private sealed record User(long Id, string Email, string Name, string[] Tags, JsonElement Settings, DateTimeOffset CreatedAt);

    private sealed record Order(long Id, decimal Total);

    private sealed record Values(
        long Large, decimal Exact, double NotANumber, byte[] Bytes, Guid Id, DateOnly Day, TimeOnly Time, TimeSpan Interval,
        DateTimeOffset Moment, DateTime Local, bool Flag, int[] Numbers, int? Missing);

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Query_GivesTypedRows()
    {
        var users = await _client.QueryAsync<User>(
            "client/users", "SELECT * FROM users WHERE email = ANY(:emails) ORDER BY id", new { emails = new[] { "ada@example.org" } });

        var ada = Assert.Single(users);
        Assert.Equal(("ada@example.org", "Ada Lovelace"), (ada.Email, ada.Name));
        Assert.Equal(["analyst", "poet"], ada.Tags);
        Assert.Equal("dark", ada.Settings.GetProperty("theme").GetString());
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), ada.CreatedAt);
    }

    [Fact]
    public async Task Values_ComeBackAsTheyWereSent()
    {
        var sent = new Values(
            9007199254740993, 0.1000000000000000000000000001m, double.NaN, [0, 255, 92], Guid.NewGuid(), new DateOnly(2026, 2, 28),
            new TimeOnly(23, 59, 59, 999), new TimeSpan(-3, 4, 5, 6, 7), new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(2)),
            new DateTime(2026, 1, 2, 3, 4, 5), true, [1, 2, 3], null);

        var back = Assert.Single(await _client.QueryAsync<Values>(
            "client/values",
            """
            SELECT :Large::bigint AS large, :Exact::numeric AS exact, :NotANumber::float8 AS not_a_number, :Bytes::bytea AS bytes,
                   :Id::uuid AS id, :Day::date AS day, :Time::time AS time, :Interval::interval AS interval,
                   :Moment::timestamptz AS moment, :Local::timestamp AS local, :Flag::boolean AS flag, :Numbers::int[] AS numbers,
                   :Missing::int AS missing
            """,
            sent));

        Assert.Equal(sent.Bytes, back.Bytes);
        Assert.Equal(sent.Numbers, back.Numbers);
        Assert.Equal(sent, back with { Bytes = sent.Bytes, Numbers = sent.Numbers });
    }

    [Fact]
    public async Task ExecuteSentTwice_HasOneEffectAndSaysSo()
    {
        var request = new ExecuteRequest
        {
            ActivityId = "client/order",
            Sql = "INSERT INTO orders (user_id, total) VALUES (:user, :total) RETURNING id, total",
            Parameters = StatementParameters.From(new { user = 1, total = 41.05m }),
            Expect = new Expectation { RowCount = 1 },
        };

        var first = await _client.ExecuteAsync(request);
        var second = await _client.ExecuteAsync(request with { Attempt = 2 });

        Assert.False(first.Replayed);
        Assert.True(second.Replayed);
        Assert.Equal(first.RowsAs<Order>(), second.RowsAs<Order>());
        foreach (var lsn in new[] { first.Lsn, second.Lsn })
        {
            Assert.NotNull(lsn);
            Assert.Equal([1], await _client.QueryAsync<long>(new QueryRequest
            {
                ActivityId = "client/orders",
                Sql = "SELECT count(*) FROM orders WHERE total = 41.05",
                MinLsn = lsn,
            }));
        }
    }

    [Fact]
    public async Task Transaction_IsOneAndGivesEachResult()
    {
        var answer = await _client.TransactionAsync(new TransactionRequest
        {
            ActivityId = "client/transaction",
            Isolation = Isolation.Serializable,
            Statements =
            [
                new TransactionStatement
                {
                    Sql = "INSERT INTO orders (user_id, total) VALUES ($1, $2) RETURNING id, total",
                    Parameters = StatementParameters.From(new object[] { 2, 7.5m }),
                },
                new TransactionStatement
                {
                    Sql = "SELECT id FROM orders WHERE id = :id",
                    Parameters = JsonElement.Parse("""{"id": {"$ref": "/0/rows/0/id"}}"""),
                },
            ],
        });

        Assert.Equal(answer.Results[0].RowsAs<Order>().Single().Id, answer.Results[1].RowsAs<long>().Single());
        Assert.False(answer.Replayed);
        Assert.NotNull(answer.Lsn);
    }

    [Fact]
    public async Task Stream_GivesEveryRow()
    {
        var sum = 0L;
        await foreach (var row in _client.StreamAsync<long>("client/stream", "SELECT n FROM generate_series(1, $1) n", new[] { 100_000 }))
            sum += row;

        Assert.Equal(5_000_050_000, sum);
    }

    [Fact]
    public async Task StreamThatFailsBehindRows_Throws()
    {
        var rows = 0;

        var error = await Assert.ThrowsAsync<GatewayException>(async () =>
        {
            await foreach (var _ in _client.StreamAsync<long>("client/late", "SELECT 1 / (50000 - n) FROM generate_series(1, 60000) n"))
                rows++;
        });

        Assert.InRange(rows, 1, 49_999);
        Assert.Equal("22012", error.SqlState);
        Assert.False(error.Retryable);
    }

    [Fact]
    public async Task Refusal_CarriesTheProblem()
    {
        var error = await Assert.ThrowsAsync<GatewayException>(() => _client.ExecuteAsync(
            "client/duplicate", "INSERT INTO users (email, name) VALUES ($1, $2)", new[] { "ada@example.org", "Ada" }));

        Assert.Equal("sql_error", error.Code);
        Assert.Equal("23505", error.SqlState);
        Assert.Equal("users_email_key", error.Problem!.Constraint);
        Assert.Equal(Committed.No, error.Committed);
        Assert.False(error.Retryable);
        Assert.Equal(422, (int)error.Status!);
    }

    [Fact]
    public async Task Activity_IsFoundAndCancelled()
    {
        var running = _client.ExecuteAsync("client/running", "SELECT pg_sleep(30)");
        ActivityResponse? found = null;
        while (found is null && !running.IsCompleted)
            found = await _client.FindActivityAsync("client/running");
        Assert.Equal(ActivityStatus.Running, found!.Status);

        Assert.Equal(ActivityStatus.Cancelled, (await _client.CancelActivityAsync("client/running"))!.Status);

        Assert.Equal("cancelled", (await Assert.ThrowsAsync<GatewayException>(() => running)).Code);
        Assert.Null(await _client.FindActivityAsync("client/running"));
        Assert.Null(await _client.CancelActivityAsync("client/running"));
        await _client.ExecuteAsync("client/done", "SELECT 1 AS one");
        var done = (await _client.FindActivityAsync("client/done"))!;
        Assert.Equal(1, done.Response!.Value.GetProperty("rows")[0].GetProperty("one").GetInt32());
    }

    [Fact]
    public async Task CallerThatCancels_TakesTheStatementAlong()
    {
        using var leaving = new CancellationTokenSource();
        var running = _client.ExecuteAsync("client/leaving", "SELECT pg_sleep(30)", cancellationToken: leaving.Token);
        while (await _client.FindActivityAsync("client/leaving") is null)
            Assert.False(running.IsCompleted);

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Poll.UntilAsync(async () => await _client.FindActivityAsync("client/leaving") is null);
    }
}
