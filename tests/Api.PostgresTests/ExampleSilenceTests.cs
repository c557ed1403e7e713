using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests a server that stops in the middle of its answer, and keeps the connection open.</summary>
public sealed class ExampleSilenceTests(ExamplePrograms programs)
{
    /// <summary>
    /// The clients wait ten seconds longer than the request's timeout, so all of them run at the same time.
    /// </summary>
    [Fact]
    public async Task AnswerNeverEnds_SentAgainInEveryLanguage()
    {
        var outcomes = await Task.WhenAll(ExamplePrograms.Languages.Select(language => OutcomeAsync(language.Data)));

        Assert.All(outcomes, outcome => Assert.Equal((0, "1, 2"), (outcome.Client.ExitCode, outcome.Attempts)));
    }

    private async Task<(ExampleProcess Client, string Attempts)> OutcomeAsync(string language)
    {
        await using var server = await FailingServer.StartAsync(StopsInTheBody, FailingServer.Succeeds);
        var command = await programs.SendAsync(
            language, "execute", """{"activityId": "run/step", "sql": "SELECT 1", "timeoutMs": 1}""", attempt: null, tries: 2);
        var client = await ExampleProcess.RunAsync(server.Address, command);
        return (client, string.Join(", ", server.Attempts));
    }

    private static async Task StopsInTheBody(HttpContext http)
    {
        http.Response.ContentLength = 100;
        await http.Response.WriteAsync("{\"command\":");
        await http.Response.Body.FlushAsync();
        await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
    }
}
