using System.Text.RegularExpressions;

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
        string[] arguments = ["python/register_user_activity.py", "edith@example.org", "Edith Clarke"];

        var first = await ExampleProcess.RunAsync(gateway.Address, "python3", arguments);
        var second = await ExampleProcess.RunAsync(gateway.Address, "python3", arguments);

        AssertSucceeded(first);
        Assert.Matches(@"^\d+$", first.Output.Trim());
        Assert.Equal(first, second);
    }

    [Fact]
    public async Task UserRegisteredByAnotherActivity_IsAnErrorThatSaysSo()
    {
        var example = await ExampleProcess.RunAsync(
            gateway.Address, "python3", "python/register_user_activity.py", "ada@example.org", "Ada Lovelace");

        Assert.Equal(1, example.ExitCode);
        Assert.Contains("sql_error", example.Errors);
        Assert.Contains("users_email_key", example.Errors);
    }

    [Fact]
    public async Task CurlScript_PrintsTheDemoUsersOneOrderAndAnError()
    {
        var example = await ExampleProcess.RunAsync(gateway.Address, "bash", "curl.sh");

        AssertSucceeded(example);
        Assert.All(DemoUsers, email => Assert.Contains($"\"email\":\"{email}\"", example.Output));
        var orders = Regex.Matches(example.Output, """^{"activityId":"example-run-1/place-order","command":"INSERT".*$""", RegexOptions.Multiline);
        Assert.Equal(2, orders.Count);
        Assert.Equal(orders[0].Value, orders[1].Value);
        Assert.Contains("\"command\":\"UPDATE\",\"rowCount\":1", example.Output);
        Assert.Contains($"\"status\":\"completed\",\"response\":{orders[0].Value.TrimEnd()},\"recordedAt\"", example.Output);
        Assert.Contains("\"code\":\"sql_error\"", example.Output);
        Assert.Contains("X-Should-Retry: false", example.Output);
    }

    [Fact]
    public async Task CSharpActivities_PrintTheDemoUsersAndOneOrder()
    {
        // Built along with the tests, for what they were built for.
        var output = Path.GetRelativePath(Repository.PathOf("tests/Api.PostgresTests"), AppContext.BaseDirectory);

        var example = await ExampleProcess.RunAsync(
            gateway.Address, "dotnet", Path.Combine("csharp", output, "Gateway.UsersActivity.dll"));

        AssertSucceeded(example);
        Assert.All(DemoUsers, email => Assert.Contains($" {email} ", example.Output));
        var orders = Regex.Matches(example.Output, @"^attempt [12]: order (\d+) of 41\.05$", RegexOptions.Multiline);
        Assert.Equal(2, orders.Count);
        Assert.Equal(orders[0].Groups[1].Value, orders[1].Groups[1].Value);
    }

    private static void AssertSucceeded(ExampleProcess example) =>
        Assert.True(example.ExitCode == 0, $"Exit code {example.ExitCode}.\n{example.Errors}\n{example.Output}");
}
