namespace Gateway.Api.PostgresTests;

/// <summary>The examples run as they stand, against a gateway with the demo data.</summary>
public sealed class ExamplesTests(DemoFixture gateway) : IClassFixture<DemoFixture>
{
    private static readonly string[] DemoUsers = ["ada@example.org", "alan@example.org", "grace@example.org"];

    [Fact]
    public async Task UsersActivity_PrintsTheDemoUsers()
    {
        var example = await ExampleProcess.RunAsync(gateway.Address, "python3", "python/users_activity.py");

        AssertSucceeded(example);
        Assert.All(DemoUsers, email => Assert.Contains($"\"email\": \"{email}\"", example.Output));
    }

    [Fact]
    public async Task RegisterUserActivityRunTwice_PrintsTheSameId()
    {
        // A user of the demo data under the name it has: the data of the other tests stays as it is.
        string[] arguments = ["python/register_user_activity.py", "grace@example.org", "Grace Hopper"];

        var first = await ExampleProcess.RunAsync(gateway.Address, "python3", arguments);
        var second = await ExampleProcess.RunAsync(gateway.Address, "python3", arguments);

        AssertSucceeded(first);
        Assert.Equal("3", first.Output.Trim());
        Assert.Equal(first, second);
    }

    [Fact]
    public async Task CurlScript_PrintsTheDemoUsersAndAnError()
    {
        var example = await ExampleProcess.RunAsync(gateway.Address, "bash", "curl.sh");

        AssertSucceeded(example);
        Assert.All(DemoUsers, email => Assert.Contains($"\"email\":\"{email}\"", example.Output));
        Assert.Contains("\"command\":\"UPDATE\",\"rowCount\":1", example.Output);
        Assert.Contains("\"code\":\"sql_error\"", example.Output);
        Assert.Contains("X-Should-Retry: false", example.Output);
    }

    private static void AssertSucceeded(ExampleProcess example) =>
        Assert.True(example.ExitCode == 0, $"Exit code {example.ExitCode}.\n{example.Errors}\n{example.Output}");
}
