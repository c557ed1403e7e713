// Two activities over HTTP, in place of ones that open a connection, run a statement and close it. No driver and no DSN here:
// both are the gateway's.
//
// In a workflow the methods of UserActivities are its activities, and what stands below is the worker.

using Gateway.Client;
using Gateway.UsersActivity;
using Microsoft.Extensions.DependencyInjection;

var services = new ServiceCollection();
services.AddGatewayClient(options =>
{
    options.Address = new Uri(Environment.GetEnvironmentVariable("GATEWAY_URL") ?? "http://localhost:8080");
    options.ApiKey = Environment.GetEnvironmentVariable("GATEWAY_API_KEY");
});
services.AddSingleton<UserActivities>();
await using var provider = services.BuildServiceProvider();
var activities = provider.GetRequiredService<UserActivities>();

// This stands in for the workflow: the same run and step have the same ID, however often the step is run.
try
{
    foreach (var user in await activities.ListAsync("example-run-1/list-users", attempt: 1))
        Console.WriteLine($"{user.Id} {user.Email} {user.Name}, since {user.CreatedAt:yyyy-MM-dd}");

    // The engine lost the first answer, say, and runs the activity again.
    for (var attempt = 1; attempt <= 2; attempt++)
    {
        var order = await activities.PlaceOrderAsync("example-run-1/place-order-csharp", attempt, userId: 2, total: 41.05m);
        Console.WriteLine($"attempt {attempt}: order {order.Id} of {order.Total}");
    }
}
catch (GatewayException error)
{
    // An engine is told by error.Retryable whether to run the activity again.
    Console.Error.WriteLine(error.Message);
    return 1;
}
return 0;
