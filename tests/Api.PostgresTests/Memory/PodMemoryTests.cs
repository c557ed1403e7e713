using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Callers;

namespace Gateway.Api.PostgresTests.Memory;

/// <summary>
/// Tests that one caller with the right to read, which uses as much memory as it can in every way at the same time,
/// does not push a gateway over its pod's memory limit, with the default settings, while another caller is still
/// served. <c>deploy/README.md</c> has the calculation.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class PodMemoryTests(GatewayFixture fixture, ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    /// <summary>The share of a container's memory that the runtime uses for its heap.</summary>
    private const double HeapShare = 0.75;

    [Fact]
    public async Task EverythingAtOnce_StaysBelowThePodsLimit()
    {
        var limit = ReadLimit();
        var (greedy, modest) = (ApiKey.New(), ApiKey.New());
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string>
            {
                ["DSN"] = fixture.Dsn,
                ["DOTNET_GCHeapHardLimit"] = ((long)(limit * HeapShare)).ToString("X", CultureInfo.InvariantCulture),
            },
            [
                "--urls=http://127.0.0.1:0", .. CallersFixture.Settings("greedy", [greedy], "default=read"),
                .. CallersFixture.Settings("modest", [modest], "default=read"),
            ]);
        using var client = new GatewayClient(gateway.Address, modest);
        (await QueryAsync(client)).Expect(HttpStatusCode.OK);
        output.WriteLine($"{gateway.PeakMemory / MiB} MiB at rest");

        using var enough = new CancellationTokenSource();
        var attack = new Attack(gateway.Address, greedy);
        var attacks = new List<Task>
        {
            attack.LeaveHeadsUnfinishedAsync(100),
            attack.RepeatAsync(4, Attack.ManyTokens, enough.Token), attack.RepeatAsync(4, Attack.ManyParameters, enough.Token),
            attack.RepeatAsync(2, Attack.LargeMessages, enough.Token), attack.RepeatAsync(4, Attack.LargeArray, enough.Token),
            attack.LeaveAnswersUntakenAsync(40, "application/json"), attack.LeaveAnswersUntakenAsync(20, "application/x-ndjson"),
        };
        var served = 0;
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(20) || served < 20)
        {
            var answer = await QueryAsync(client);
            // A machine that is busy with the attack's statements may open no session in time.
            if (answer.Status == HttpStatusCode.ServiceUnavailable && clock.Elapsed < TimeSpan.FromMinutes(2))
            {
                answer.ExpectProblem(503, "database_unavailable");
                continue;
            }
            answer.Expect(HttpStatusCode.OK);
            // Not at the start: they take the caller's whole share of the budget, and block its other attacks.
            if (++served == 10)
                attacks.Add(attack.LeaveBodiesUnfinishedAsync(200));
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
        await enough.CancelAsync();
        await Task.WhenAll(attacks);
        attack.Dispose();

        output.WriteLine($"{gateway.PeakMemory / MiB} MiB at most of {limit / MiB}; {served} requests served meanwhile");
        output.WriteLine(string.Join(", ", attack.Statuses.GroupBy(status => status).Select(group => $"{group.Count()} × {group.Key}")));
        Assert.True(gateway.PeakMemory < limit, $"It had {gateway.PeakMemory} bytes, of {limit}.");
        Assert.DoesNotContain("OutOfMemory", gateway.Output);
        Assert.DoesNotContain("\"internal\"", gateway.Output);
        (await QueryAsync(client)).Expect(HttpStatusCode.OK);
    }

    private static Task<Answer> QueryAsync(GatewayClient client) =>
        client.PostAsync("query", new { activityId = "modest", sql = "SELECT 1", timeoutMs = 60_000 });

    /// <summary>Reads the container's limit from the manifests.</summary>
    private static long ReadLimit()
    {
        var lines = File.ReadAllLines(Path.Combine(Repository.Root, "deploy", "k8s", "base", "deployment.yaml"));
        var limits = lines.SkipWhile(line => line.Trim() != "limits:");
        var memory = limits.First(line => line.Trim().StartsWith("memory: ", StringComparison.Ordinal)).Trim()["memory: ".Length..];
        Assert.EndsWith("Mi", memory);
        return MiB * long.Parse(memory[..^2], CultureInfo.InvariantCulture);
    }

    /// <summary>The attacks of one caller.</summary>
    private sealed class Attack(Uri address, string key) : IDisposable
    {
        private readonly GatewayClient _client = new(address, key);
        private readonly RawCallers _callers = new(address);
        private readonly List<string> _statuses = [];

        public IReadOnlyList<string> Statuses => _statuses;

        /// <summary>Two bytes for each element, and a row in the parser's table.</summary>
        public static byte[] ManyTokens { get; } = Body("SELECT $1::int[]", $"[[{string.Join(',', Enumerable.Repeat("1", 2_000_000))}]]");

        public static byte[] ManyParameters { get; } = Body(
            $"SELECT {string.Join(',', Enumerable.Range(1, 65_000).Select(index => $"${index}"))}", $"[{string.Join(',', Enumerable.Repeat("1", 65_000))}]");

        public static byte[] LargeMessages { get; } = Body(
            "DO $$ BEGIN RAISE NOTICE '%', repeat('x', 200000000); RAISE EXCEPTION '%', repeat('x', 200000000) USING DETAIL = repeat('x', 200000000); END $$", "[]");

        public static byte[] LargeArray { get; } = Body("SELECT array_fill('a\"b'::text, ARRAY[500000])", "[]");

        public async Task LeaveBodiesUnfinishedAsync(int count)
        {
            var body = Encoding.ASCII.GetBytes("{\"sql\": \"" + new string(' ', (39 * MiB / 10) - 9));
            for (var i = 0; i < count; i++)
            {
                var caller = await _callers.ConnectAsync();
                await caller.BeginAsync(4 * MiB, key);
                await caller.SendAsync(body);
            }
        }

        public async Task LeaveHeadsUnfinishedAsync(int count)
        {
            var head = Encoding.ASCII.GetBytes(
                $"POST /v1/query HTTP/1.1\r\nHost: x\r\n{string.Concat(Enumerable.Range(0, 60).Select(index => $"X-{index}: {new string('x', 500)}\r\n"))}");
            for (var i = 0; i < count; i++)
                await (await _callers.ConnectAsync()).SendAsync(head);
        }

        public async Task LeaveAnswersUntakenAsync(int count, string form)
        {
            var body = Body("SELECT repeat('x', 1000) FROM generate_series(1, 4000)", "[]");
            for (var i = 0; i < count; i++)
            {
                var caller = await _callers.ConnectAsync(receiveBuffer: 4096);
                await caller.SendAsync(Encoding.ASCII.GetBytes(
                    $"POST /v1/query HTTP/1.1\r\nHost: {address.Authority}\r\nAccept: {form}\r\nContent-Type: application/json\r\n"
                    + $"Authorization: Bearer {key}\r\nContent-Length: {body.Length}\r\n\r\n"));
                await caller.SendAsync(body);
            }
        }

        /// <summary>Sends a request repeatedly, the given number at a time.</summary>
        public Task RepeatAsync(int atOnce, byte[] body, CancellationToken enough) => Task.WhenAll(Enumerable.Range(0, atOnce).Select(async _ =>
        {
            while (!enough.IsCancellationRequested)
            {
                string status;
                try
                {
                    var answer = await _client.PostAsync("query", body);
                    status = ((int)answer.Status).ToString(CultureInfo.InvariantCulture);
                }
                catch (HttpRequestException error)
                {
                    status = error.HttpRequestError.ToString();
                }
                lock (_statuses)
                    _statuses.Add(status);
            }
        }));

        public void Dispose()
        {
            _callers.Dispose();
            _client.Dispose();
        }

        private static byte[] Body(string sql, string parameters) => Encoding.UTF8.GetBytes(
            $"{{\"activityId\": \"greedy\", \"timeoutMs\": 20000, \"sql\": {System.Text.Json.JsonSerializer.Serialize(sql)}, \"parameters\": {parameters}}}");
    }
}
