using System.Text.Json;
using Gateway.Contracts;
using Microsoft.AspNetCore.Http;
using static Gateway.Tests.FailingServer;

namespace Gateway.Client.Tests;

/// <summary>Tests streamed rows, and how the client knows that they are complete.</summary>
public sealed class StreamTests
{
    private const string Columns = """{"columns":[{"name":"id","type":"bigint"}]}""";

    private readonly RecordedPauses _pauses = new();

    [Fact]
    public async Task Rows_ComeUpToTheEnd()
    {
        var rows = await ReadAsync<long>(Columns, """{"id":1}""", """{"id":2}""", """{"end":{"rowCount":2,"truncated":false}}""");

        Assert.Equal([1, 2], rows);
    }

    [Fact]
    public async Task NoRow_IsAnEnd()
    {
        Assert.Empty(await ReadAsync<long>(Columns, """{"end":{"rowCount":0,"truncated":false}}"""));
    }

    [Fact]
    public async Task ColumnNamedLikeTheEnd_IsARow()
    {
        var rows = await ReadAsync<JsonElement>(
            """{"columns":[{"name":"end","type":"bigint"}]}""", """{"end":1}""", """{"error":2}""", """{"end":{"rowCount":3}}""",
            """{"end":{"rowCount":3,"truncated":false}}""");

        Assert.Equal(["""{"end":1}""", """{"error":2}""", """{"end":{"rowCount":3}}"""], rows.Select(row => row.GetRawText()));
    }

    [Theory]
    [InlineData(Columns, """{"id":1}""")]
    // They look like the end of the stream.
    [InlineData("""{"columns":[{"name":"end","type":"bigint"}]}""", """{"end":0}""", """{"end":1}""")]
    [InlineData("""{"columns":[{"name":"end","type":"jsonb"}]}""", """{"end":0}""", """{"end":{"rowCount":"1"}}""")]
    [InlineData("""{"columns":[{"name":"error","type":"text"}]}""", """{"end":0}""", """{"error":"1"}""")]
    [InlineData("""{"columns":[{"name":"error","type":"jsonb"}]}""", """{"end":0}""", """{"error":{}}""")]
    [InlineData(Columns, """{"id":1}""", """{"end":{"rowCount":2,"truncated":false}}""")]
    public async Task LastLineMissing_FailsBehindTheRows(params string[] lines)
    {
        var rows = new List<JsonElement>();

        var error = await Assert.ThrowsAsync<GatewayException>(() => ReadAsync(rows, lines));

        Assert.Equal(GatewayException.Unreachable, error.Code);
        Assert.True(error.Retryable);
        Assert.Equal(Committed.No, error.Committed);
        Assert.True(rows.Count <= 1);
    }

    [Fact(Timeout = 30_000)]
    public async Task CutWithinALine_FailsBehindTheRows()
    {
        var isRead = new TaskCompletionSource();
        await using var server = await StartAsync(async http =>
        {
            await http.Response.WriteAsync($"{Columns}\n{{\"id\":1}}\n{{\"id\":");
            await http.Response.Body.FlushAsync();
            // A cut also loses the bytes in flight.
            await isRead.Task;
            http.Abort();
        });
        using var client = Client(server);

        var error = await Assert.ThrowsAsync<GatewayException>(async () =>
        {
            await foreach (var _ in client.StreamAsync<long>("run/step", "SELECT"))
                isRead.SetResult();
        });

        Assert.Equal(GatewayException.Unreachable, error.Code);
    }

    [Fact]
    public async Task EndedWithinALine_FailsBehindTheRows()
    {
        var rows = new List<JsonElement>();
        await using var server = await StartAsync(Answers($"{Columns}\n{{\"id\":1}}\n{{\"end\":{{\"rowCount\":1}}}}"));

        Assert.Equal(
            GatewayException.Unreachable, (await Assert.ThrowsAsync<GatewayException>(() => ReadAsync(server, rows))).Code);
        Assert.Single(rows);
    }

    [Fact]
    public async Task ProblemBehindRows_IsThrown()
    {
        var rows = new List<JsonElement>();

        var error = await Assert.ThrowsAsync<GatewayException>(() => ReadAsync(
            rows, Columns, """{"id":1}""",
            """
            {"error":{"type":"t","title":"t","status":504,"code":"deadline_exceeded","detail":"d","retryable":true,"committed":"no"}}
            """));

        Assert.Single(rows);
        Assert.Equal("deadline_exceeded", error.Code);
        Assert.Equal(504, (int)error.Status!);
        Assert.True(error.Retryable);
        Assert.Equal(ProblemCode.DeadlineExceeded, error.Problem!.Code);
    }

    [Fact]
    public async Task ProblemOfALaterGateway_TellsWhetherToRetry()
    {
        var error = await Assert.ThrowsAsync<GatewayException>(() => ReadAsync(
            [], Columns, """{"id":1}""", """{"error":{"code":"moon_phase","status":422,"retryable":true}}"""));

        Assert.Equal("moon_phase", error.Code);
        Assert.True(error.Retryable);
        Assert.Null(error.Problem);
    }

    [Fact]
    public async Task FailsBeforeTheFirstRow_SentAgain()
    {
        await using var server = await StartAsync(
            CutsOff,
            Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"),
            Answers($"{Columns}\n"),
            Answers($"{Columns}\n{{\"error\":{{\"code\":\"conflict\",\"retryable\":true,\"status\":503}}}}\n"),
            Answers($"{Columns}\n{{\"id\":1}}\n{{\"end\":{{\"rowCount\":1}}}}\n"));
        var rows = new List<JsonElement>();

        await ReadAsync(server, rows);

        Assert.Single(rows);
        Assert.Equal([1, 2, 3, 4, 5], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
    }

    [Fact]
    public async Task LineLargerThanAnyBuffer_IsRead()
    {
        var text = new string('x', 1_000_000);

        var rows = await ReadAsync<string>(Columns, $"{{\"t\":\"{text}\"}}", """{"t":"y"}""", """{"end":{"rowCount":2}}""");

        Assert.Equal([text, "y"], rows);
    }

    [Fact(Timeout = 30_000)]
    public async Task RowAtATime_HandedOnBeforeTheNextComes()
    {
        var go = new TaskCompletionSource();
        await using var server = await StartAsync(async http =>
        {
            await http.Response.WriteAsync($"{Columns}\n{{\"id\":1}}\n");
            await http.Response.Body.FlushAsync();
            await go.Task;
            await http.Response.WriteAsync("{\"end\":{\"rowCount\":1}}\n");
        });
        using var client = Client(server);

        var rows = client.StreamAsync<long>("run/step", "SELECT").GetAsyncEnumerator();
        Assert.True(await rows.MoveNextAsync());
        Assert.Equal(1, rows.Current);
        go.SetResult();
        Assert.False(await rows.MoveNextAsync());
        await rows.DisposeAsync();
    }

    [Fact(Timeout = 30_000)]
    public async Task ReaderThatStops_LeavesTheConnection()
    {
        var left = new TaskCompletionSource();
        await using var server = await StartAsync(async http =>
        {
            await http.Response.WriteAsync($"{Columns}\n{{\"id\":1}}\n");
            await http.Response.Body.FlushAsync();
            await Hangs(http);
            left.SetResult();
        });
        using var client = Client(server);

        await foreach (var _ in client.StreamAsync<long>("run/step", "SELECT"))
            break;

        await left.Task.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact(Timeout = 30_000)]
    public async Task NothingMoreComes_FailsInTime()
    {
        await using var server = await StartAsync(HangsBehindARow);
        using var client = Client(server);
        var rows = new List<long>();

        var error = await Assert.ThrowsAsync<GatewayException>(async () =>
        {
            var request = new QueryRequest { ActivityId = "run/step", Sql = "SELECT", TimeoutMs = 1 };
            await foreach (var row in client.StreamAsync<long>(request))
                rows.Add(row);
        });

        Assert.Equal(GatewayException.Unreachable, error.Code);
        Assert.Equal([1], rows);
    }

    [Fact(Timeout = 30_000)]
    public async Task CancelledBetweenRows_Ends()
    {
        await using var server = await StartAsync(HangsBehindARow);
        using var client = Client(server);
        using var leaving = new CancellationTokenSource();

        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.StreamAsync<long>("run/step", "SELECT").WithCancellation(leaving.Token))
                await leaving.CancelAsync();
        });

        Assert.Equal(leaving.Token, error.CancellationToken);
    }

    [Fact]
    public async Task NoStreamOfAGateways_NotSentAgain()
    {
        await using var server = await StartAsync(Answers("<h1>\nWelcome\n</h1>\n"), Succeeds);

        var error = await Assert.ThrowsAsync<GatewayException>(() => ReadAsync(server, []));

        Assert.Equal(GatewayException.InvalidResponse, error.Code);
        Assert.Single(server.Requests);
    }

    private async Task<List<T>> ReadAsync<T>(params string[] lines)
    {
        await using var server = await StartAsync(Answers(string.Concat(lines.Select(line => line + "\n"))));
        using var client = Client(server);
        var rows = new List<T>();
        await foreach (var row in client.StreamAsync<T>("run/step", "SELECT"))
            rows.Add(row);
        return rows;
    }

    private async Task ReadAsync(List<JsonElement> rows, params string[] lines)
    {
        await using var server = await StartAsync(Answers(string.Concat(lines.Select(line => line + "\n"))));
        await ReadAsync(server, rows);
    }

    private async Task ReadAsync(FailingServer server, List<JsonElement> rows)
    {
        using var client = Client(server);
        await foreach (var row in client.StreamAsync<JsonElement>("run/step", "SELECT"))
            rows.Add(row);
    }

    private GatewayClient Client(FailingServer server) =>
        new(new GatewayClientOptions { Address = server.Address, AnswerMarginMs = 1000 }, _pauses);

    private static async Task HangsBehindARow(HttpContext http)
    {
        await http.Response.WriteAsync($"{Columns}\n{{\"id\":1}}\n");
        await http.Response.Body.FlushAsync();
        await Hangs(http);
    }
}
