using Gateway.Client;

namespace Gateway.UsersActivity;

public sealed record User(long Id, string Email, string Name, DateTimeOffset CreatedAt);

public sealed record Order(long Id, decimal Total);

/// <summary>The activities. Their ID comes from the workflow: one made in here would differ at each try.</summary>
public sealed class UserActivities(IGatewayClient gateway)
{
    public Task<IReadOnlyList<User>> ListAsync(string activityId, int attempt) =>
        gateway.QueryAsync<User>(activityId, "SELECT id, email, name, created_at FROM users ORDER BY id", attempt: attempt);

    /// <summary>Takes effect once, however often it is run.</summary>
    public async Task<Order> PlaceOrderAsync(string activityId, int attempt, long userId, decimal total)
    {
        var rows = await gateway.ExecuteAsync<Order>(
            activityId, "INSERT INTO orders (user_id, total) VALUES (:userId, :total) RETURNING id, total", new { userId, total },
            attempt);
        return rows[0];
    }
}
