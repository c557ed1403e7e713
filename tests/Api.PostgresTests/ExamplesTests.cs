using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that the examples run unchanged against a gateway with the demo data.</summary>
public sealed class ExamplesTests(DemoFixture gateway, ExamplePrograms programs) : IClassFixture<DemoFixture>
{
    private static readonly string[] DemoUsers = ["ada@example.org", "alan@example.org", "grace@example.org"];

    public static TheoryData<string> Languages => ExamplePrograms.Languages;

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task UsersActivity_PrintsTheDemoUsers(string language)
    {
        var example = await RunAsync(await programs.UsersActivityAsync(language));

        AssertSucceeded(example);
        var emails = example.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonElement.Parse(line).GetProperty("email").GetString());
        Assert.All(DemoUsers, email => Assert.Contains(email, emails));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task RegisterUserActivityRunTwice_PrintsTheSameId(string language)
    {
        var command = await programs.RegisterUserActivityAsync(language, $"edith.{language}@example.org", "Edith \"E.\" O'Clarke");

        var first = await RunAsync(command);
        var second = await RunAsync(command);

        AssertSucceeded(first);
        Assert.Matches(@"^\d+$", first.Output.Trim());
        Assert.Equal(first, second);
        var user = Assert.Single(await UsersAsync($"edith.{language}@example.org"));
        Assert.Equal(first.Output.Trim(), user.GetProperty("id").GetRawText());
        Assert.Equal("Edith \"E.\" O'Clarke", user.GetProperty("name").GetString());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task UserRegisteredByAnotherActivity_IsAnErrorThatSaysSo(string language)
    {
        var example = await RunAsync(await programs.RegisterUserActivityAsync(language, "ada@example.org", "Ada Lovelace"));

        Assert.Equal(1, example.ExitCode);
        Assert.Contains("sql_error", example.Errors);
        Assert.Contains("users_email_key", example.Errors);
    }

    [Fact]
    public async Task AutoKittehSessionRunTwice_OneUser()
    {
        string[] user = ["hedy@example.org", "Hedy Lamarr"];

        var first = await RunAsync(["python3", "autokitteh/_terminal.py", "ses_1", .. user]);
        var second = await RunAsync(["python3", "autokitteh/_terminal.py", "ses_1", .. user]);
        var another = await RunAsync(["python3", "autokitteh/_terminal.py", "ses_2", .. user]);

        AssertSucceeded(first);
        var id = Assert.Single(await UsersAsync("hedy@example.org")).GetProperty("id").GetRawText();
        Assert.StartsWith($"hedy@example.org is user {id}, one of ", first.Output);
        AssertSucceeded(second);
        Assert.StartsWith($"hedy@example.org is user {id}, one of ", second.Output);
        // Another session is another activity. The error has passed AutoKitteh's pickle without loss.
        Assert.Equal(1, another.ExitCode);
        Assert.Matches("^sql_error: .*users_email_key", another.Errors);
    }

    [Fact]
    public async Task AutoKittehManifest_NamesWhatIsThere()
    {
        var folder = Path.Combine(ExampleProcess.Folder, "autokitteh");
        var manifest = await File.ReadAllTextAsync(Path.Combine(folder, "autokitteh.yaml"), TestContext.Current.CancellationToken);
        var client = await File.ReadAllTextAsync(
            Path.Combine(ExampleProcess.Folder, "python", "gateway.py"), TestContext.Current.CancellationToken);

        var call = Regex.Match(manifest, @"^ *call: (\w+\.py):(\w+)$", RegexOptions.Multiline);
        var program = await File.ReadAllTextAsync(Path.Combine(folder, call.Groups[1].Value), TestContext.Current.CancellationToken);
        Assert.Contains($"\ndef {call.Groups[2].Value}(event, session_id):", program);
        var variables = Regex.Matches(manifest, @"^ *- name: ([A-Z_]+)$", RegexOptions.Multiline);
        Assert.Equal(2, variables.Count);
        Assert.All(variables, variable => Assert.Matches($"""environ\.get\(["']{variable.Groups[1].Value}["']\)""", client));
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
        // Built together with the tests, in the same configuration.
        var output = Path.GetRelativePath(Repository.PathOf("tests/Api.PostgresTests"), AppContext.BaseDirectory);

        var example = await RunAsync(["dotnet", Path.Combine("csharp", output, "Gateway.UsersActivity.dll")]);

        AssertSucceeded(example);
        Assert.All(DemoUsers, email => Assert.Contains($" {email} ", example.Output));
        var orders = Regex.Matches(example.Output, @"^attempt [12]: order (\d+) of 41\.05$", RegexOptions.Multiline);
        Assert.Equal(2, orders.Count);
        Assert.Equal(orders[0].Groups[1].Value, orders[1].Groups[1].Value);
    }

    private Task<ExampleProcess> RunAsync(IReadOnlyList<string> command) => ExampleProcess.RunAsync(gateway.Address, command);

    private async Task<JsonElement[]> UsersAsync(string email)
    {
        var answer = await gateway.Client.QueryAsync("SELECT id, name FROM users WHERE email = $1", new[] { email });
        return [.. answer.GetProperty("rows").EnumerateArray()];
    }

    private static void AssertSucceeded(ExampleProcess example) =>
        Assert.True(example.ExitCode == 0, $"Exit code {example.ExitCode}.\n{example.Errors}\n{example.Output}");
}
