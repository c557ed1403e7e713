using Gateway.Client;
using Gateway.Testing;

namespace Gateway.UsersActivity.Tests;

/// <summary>The activities without a gateway: a fake client answers.</summary>
public sealed class UserActivitiesUnitTests
{
    [Fact]
    public async Task TheOrderIsTheRowThatTheInsertReturns()
    {
        var gateway = new FakeGatewayClient(_ => FakeRows.Of(new { id = 7, total = 41.05m }));
        var activities = new UserActivities(gateway);

        var order = await activities.PlaceOrderAsync("run-1/place-order", attempt: 1, userId: 2, total: 41.05m);

        Assert.Equal(new Order(7, 41.05m), order);
        var statement = Assert.Single(gateway.Statements);
        Assert.Equal("run-1/place-order", statement.ActivityId);
        Assert.Equal(2, statement.Parameters?.GetProperty("userId").GetInt32());
    }

    [Fact]
    public async Task AnErrorOfPostgresqlReachesTheWorkflow()
    {
        var gateway = new FakeGatewayClient(_ => throw FakeProblem.SqlError("23503", "orders_user_id_fkey"));
        var activities = new UserActivities(gateway);

        var error = await Assert.ThrowsAsync<GatewayException>(
            () => activities.PlaceOrderAsync("run-1/place-order", attempt: 1, userId: 99, total: 1));

        Assert.Equal("23503", error.SqlState);
    }
}
