using Gateway.Client;
using Gateway.Testing;

namespace Gateway.UsersActivity.Tests;

/// <summary>The activities through a real gateway, on a PostgreSQL that is only for these tests.</summary>
public sealed class UserActivitiesTests(Database database) : IClassFixture<Database>
{
    private readonly UserActivities _activities = new(database.Gateway.Client);

    [Fact]
    public async Task UsersAreListedByTheirId()
    {
        var users = await _activities.ListAsync("run-1/list-users", attempt: 1);

        Assert.Equal(["ada@example.org", "alan@example.org"], users.Select(user => user.Email));
    }

    [Fact]
    public async Task AnOrderThatIsPlacedAgainIsOneOrder()
    {
        var first = await _activities.PlaceOrderAsync("run-1/place-order", attempt: 1, userId: 2, total: 41.05m);
        // The engine lost the answer, and runs the activity again.
        var second = await _activities.PlaceOrderAsync("run-1/place-order", attempt: 2, userId: 2, total: 41.05m);

        Assert.Equal(first, second);
        var orders = await database.Gateway.Client.QueryAsync<long>(
            "check/orders", "SELECT count(*) FROM orders WHERE user_id = 2",
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal([1], orders);
    }

    [Fact]
    public async Task AnOrderOfNobodyIsRefused()
    {
        var error = await Assert.ThrowsAsync<GatewayException>(
            () => _activities.PlaceOrderAsync("run-1/order-of-nobody", attempt: 1, userId: 99, total: 1));

        Assert.Equal("orders_user_id_fkey", error.Problem?.Constraint);
        Assert.False(error.Retryable);
    }
}

/// <summary>A gateway for the tests of a class, with the tables that the activities use.</summary>
public sealed class Database : IAsyncLifetime
{
    private TestGateway? _gateway;

    public TestGateway Gateway => _gateway!;

    public async ValueTask InitializeAsync()
    {
        _gateway = await TestGateway.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        string[] schema =
        [
            """
            CREATE TABLE users (
                id bigint PRIMARY KEY,
                email text NOT NULL,
                name text NOT NULL,
                created_at timestamptz NOT NULL DEFAULT now())
            """,
            """
            CREATE TABLE orders (
                id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
                user_id bigint NOT NULL REFERENCES users,
                total numeric NOT NULL)
            """,
            "INSERT INTO users VALUES (1, 'ada@example.org', 'Ada'), (2, 'alan@example.org', 'Alan')",
        ];
        for (var i = 0; i < schema.Length; i++)
        {
            await Gateway.Client.ExecuteAsync(
                $"schema/{i}", schema[i], cancellationToken: TestContext.Current.CancellationToken);
        }
    }

    public ValueTask DisposeAsync() => _gateway?.DisposeAsync() ?? default;
}
