using System.Globalization;
using System.Net;
using System.Text;
using Npgsql;

namespace Gateway.Api.PostgresTests.Metrics;

/// <summary>
/// Tests that each metric changes with its event, by the right amount, and that nothing that a caller sends creates a
/// series.
/// </summary>
public sealed class MetricsTests(MeasuredGateway gateway) : IClassFixture<MeasuredGateway>
{
    private const string Requests = "http_server_request_duration_seconds_count";
    private const string Outcomes = "gateway_activity_outcomes_total";

    [Fact]
    public Task Query_IsCounted() => gateway.GrowsAsync(
        1, Requests, ["http_request_method=POST", "http_route=/v1/query", "http_response_status_code=200", "url_scheme=http"], gateway.QueryAsync);

    [Fact]
    public Task Rows_AreCounted() => gateway.GrowsAsync(3, "gateway_rows_total", ["gateway_connection=default"], gateway.QueryAsync);

    [Fact]
    public Task StreamedRows_AreCounted() =>
        gateway.GrowsAsync(1000, "gateway_rows_total", ["gateway_connection=default"], gateway.StreamAsync);

    [Fact]
    public Task Caller_IsCounted() =>
        gateway.GrowsAsync(1, "gateway_requests_total", ["gateway_caller=reader", "error_type=forbidden"], gateway.AskTooMuchAsync);

    [Fact]
    public Task NoCaller_IsCounted() =>
        gateway.GrowsAsync(1, Requests, ["error_type=unauthenticated", "http_response_status_code=401"], gateway.ShowNoKeyAsync);

    [Fact]
    public Task Replay_IsCounted() =>
        gateway.GrowsAsync(1, Outcomes, ["gateway_activity_outcome=replayed", "gateway_connection=default"], gateway.ReplayAsync);

    [Fact]
    public Task Mismatch_IsCounted() =>
        gateway.GrowsAsync(1, Outcomes, ["gateway_activity_outcome=mismatched", "gateway_connection=default"], gateway.MismatchAsync);

    [Fact]
    public Task DuplicateInFlight_IsCounted() =>
        gateway.GrowsAsync(1, Outcomes, ["gateway_activity_outcome=in_flight", "gateway_connection=default"], gateway.InFlightAsync);

    [Fact]
    public Task Cancel_IsCounted() =>
        gateway.GrowsAsync(1, Outcomes, ["gateway_activity_outcome=cancelled", "gateway_connection=default"], gateway.CancelAsync);

    [Fact]
    public Task AnswerToCommitLostAndSettled_IsCounted() =>
        gateway.GrowsAsync(1, Outcomes, ["gateway_activity_outcome=in_doubt_settled", "gateway_connection=doubt"], gateway.LoseAnswerAsync);

    [Fact]
    public Task AnswerToCommitLost_IsCounted() =>
        gateway.GrowsAsync(1, Outcomes, ["gateway_activity_outcome=outcome_unknown", "gateway_connection=doubt"], gateway.LoseAnswerForGoodAsync);

    [Fact]
    public Task BudgetSpent_IsCounted() =>
        gateway.GrowsAsync(1, Requests, ["error_type=deadline_exceeded", "http_response_status_code=504"], gateway.SpendBudgetAsync);

    [Fact]
    public Task BudgetSpentInTheQueue_IsCounted() =>
        gateway.GrowsAsync(1, "db_client_connection_timeouts_total", ["db_client_connection_pool_name=small"], gateway.FillQueueAsync);

    [Fact]
    public Task QueueFull_IsCounted() =>
        gateway.GrowsAsync(1, "gateway_requests_total", ["error_type=saturated", "gateway_connection=small"], gateway.FillQueueAsync);

    [Fact]
    public Task TurnInTheQueue_IsCounted() =>
        gateway.GrowsAsync(1, "gateway_queue_turns_total", ["db_client_connection_pool_name=small"], gateway.FillQueueAsync);

    [Fact]
    public Task SessionThatWasGot_IsWaitedForOnce() =>
        gateway.GrowsAsync(2, "db_client_connection_wait_time_seconds_count", ["db_client_connection_pool_name=small"], gateway.FillQueueAsync);

    [Fact]
    public Task CallerLeaves_IsCounted() =>
        gateway.GrowsAsync(1, Requests, ["error_type=caller_left", "http_route=/v1/query"], gateway.LeaveAsync);

    [Fact]
    public Task StatementRefused_IsCounted() => gateway.GrowsAsync(
        1, "db_client_operation_duration_seconds_count", ["error_type=sql_error", "db_system_name=postgresql"], gateway.FailAsync);

    [Fact]
    public async Task SessionLost_ANewOneIsMeasured()
    {
        // Opens the session that is lost below.
        await gateway.Client.PostAsync("query", new { activityId = gateway.NewId(), connection = "doubt", sql = "SELECT 1" });
        await gateway.GrowsAsync(
            1, "db_client_connection_create_time_seconds_count", ["db_client_connection_pool_name=doubt"], gateway.LoseAnswerAsync);
    }

    [Theory]
    [InlineData("http_server_request_body_size_bytes_sum", true)]
    [InlineData("http_server_response_body_size_bytes_sum", false)]
    public async Task Bytes_AreTheBodies(string name, bool ofRequest)
    {
        var body = Encoding.UTF8.GetBytes($$"""{"activityId": "{{gateway.NewId()}}", "sql": "SELECT repeat('é', 300) AS a"}""");
        var expected = ofRequest ? body.Length : Encoding.UTF8.GetByteCount((await gateway.Client.PostAsync("query", body)).Text);

        // The counts of the previous one are included.
        await gateway.GrowsAsync(1, name.Replace("_sum", "_count", StringComparison.Ordinal), ["http_route=/v1/query"], async () =>
            await gateway.GrowsAsync(expected, name, ["http_route=/v1/query"], () => gateway.Client.PostAsync("query", body)));
    }

    [Fact]
    public async Task Stages_TakeTogetherWhatTheRequestsDo()
    {
        await gateway.GrowsAsync(1, Requests, ["http_route=/v1/execute"], async () =>
            await gateway.Client.ExecuteAsync("SELECT pg_sleep(0.2)"));
        // A duplicate waits.
        await gateway.InFlightAsync();

        var text = await gateway.ReadAsync();
        Assert.Equal(
            ["answer", "commit", "connect", "execute", "queue", "read", "wait"],
            text.Find("gateway_request_stage_duration_seconds_count", "gateway_connection=default")
                .Select(sample => sample.Labels["gateway_request_stage"]).Order(StringComparer.Ordinal));
        Assert.True(text.Sum("gateway_request_stage_duration_seconds_sum", "gateway_request_stage=execute") >= 0.2);
        Assert.True(
            text.Sum("gateway_request_stage_duration_seconds_sum") <= text.Sum("http_server_request_duration_seconds_sum"),
            text.Text);
    }

    [Fact]
    public async Task Histograms_AreCumulativeAndPlausible()
    {
        await gateway.EverythingAsync();
        var text = await gateway.ReadAsync();

        var histograms = text.Types.Where(type => type.Value == "histogram").Select(type => type.Key).ToArray();
        Assert.Contains("http_server_request_duration_seconds", histograms);
        foreach (var name in histograms)
        {
            foreach (var series in text.Find($"{name}_bucket").GroupBy(SeriesWithoutBound))
            {
                var buckets = series.Select(sample => (Bound: BoundOf(sample), sample.Value)).OrderBy(bucket => bucket.Bound).ToArray();
                string[] labels = [.. series.First().Labels.Where(label => label.Key != "le").Select(label => $"{label.Key}={label.Value}")];
                var count = OfSeries($"{name}_count").Value;
                var sum = OfSeries($"{name}_sum").Value;
                Assert.Equal(double.PositiveInfinity, buckets[^1].Bound);
                Assert.Equal(count, buckets[^1].Value);
                Assert.Equal(buckets.Select(bucket => bucket.Value).Order(), buckets.Select(bucket => bucket.Value));
                // Each value is at most its bucket's bound, and above the previous bound.
                var bounds = buckets.Select(bucket => bucket.Bound).Prepend(0).ToArray();
                var own = buckets.Select((bucket, at) => bucket.Value - (at == 0 ? 0 : buckets[at - 1].Value)).ToArray();
                Assert.True(sum >= own.Select((number, at) => number * bounds[at]).Sum() * 0.999, series.Key);
                if (own[^1] == 0)
                    Assert.True(sum <= own[..^1].Select((number, at) => number * bounds[at + 1]).Sum() * 1.001, series.Key);

                Sample OfSeries(string total) => text.Find(total, labels).Single(sample => sample.Labels.Count == labels.Length);
            }
        }
    }

    [Fact]
    public async Task Sessions_AreThoseInUseAndAtRest()
    {
        await gateway.FillQueueAsync();
        await gateway.GrowsAsync(0, "db_client_connection_pending_requests", [], () => Task.CompletedTask);

        var text = await gateway.ReadAsync();
        Assert.Equal(1, text.Sum("db_client_connection_count", "db_client_connection_pool_name=small", "db_client_connection_state=idle"));
        Assert.Equal(0, text.Sum("db_client_connection_count", "db_client_connection_pool_name=small", "db_client_connection_state=used"));
        Assert.Equal(1, text.Sum("db_client_connection_max", "db_client_connection_pool_name=small"));
        Assert.Equal(1, text.Sum("gateway_queue_limit", "db_client_connection_pool_name=small"));
        await gateway.IsAsync(4, "gateway_connection_reachable");
    }

    [Fact]
    public async Task ServerThatIsGone_CountsAsUnreachableUntilItIsBack()
    {
        string[] doubt = ["gateway_connection=doubt"];
        await gateway.IsAsync(1, "gateway_connection_reachable", doubt);

        gateway.CutOff(true);
        await gateway.IsAsync(0, "gateway_connection_reachable", doubt);

        gateway.CutOff(false);
        await gateway.IsAsync(1, "gateway_connection_reachable", doubt);
    }

    [Fact]
    public async Task JournalPurge_IsCounted()
    {
        await gateway.GrowsAsync(10, "gateway_journal_purged_total", [], () => GatewayFixture.ExecuteAsync(
            gateway.Dsn,
            "INSERT INTO gateway_journal_records.activity (caller, connection, activity_id, request_hash, expires_at, answer) "
            + "SELECT 'orders', 'default', 'expired/' || g, '\\x00', now() - interval '1 second', '{}' FROM generate_series(1, 10) g"));

        Assert.True((await gateway.ReadAsync()).Sum("gateway_journal_purges_total", "gateway_journal_purge_outcome=done") > 0);
        Assert.Equal(0, (await gateway.ReadAsync()).Sum(
            "gateway_journal_purges_total", "gateway_connection=default", "gateway_journal_purge_outcome=failed"));
    }

    [Fact]
    public async Task JournalContents_AreMeasured()
    {
        const string Contents =
            "SELECT count(*), pg_total_relation_size('gateway_journal_records.activity') "
            + "FROM gateway_journal_records.activity";
        await GatewayFixture.ExecuteAsync(
            gateway.Dsn,
            "INSERT INTO gateway_journal_records.activity "
            + "(caller, connection, activity_id, request_hash, expires_at, answer) "
            + "SELECT 'orders', 'default', 'contents/' || g, '\\x00', now() + interval '1 day', '{}' "
            + "FROM generate_series(1, 10) g");
        await using var session = await GatewayFixture.OpenAsync(gateway.Dsn);
        await using var transaction = await session.BeginTransactionAsync();
        // The purge skips a locked record; this lock allows the update.
        await using (var hold = new NpgsqlCommand(
            "SELECT FROM gateway_journal_records.activity WHERE activity_id = 'contents/1' FOR KEY SHARE", session))
        {
            await hold.ExecuteNonQueryAsync();
        }
        await GatewayFixture.ExecuteAsync(
            gateway.Dsn,
            "UPDATE gateway_journal_records.activity SET expires_at = now() WHERE activity_id = 'contents/1'");

        await gateway.IsAsync(1, "gateway_journal_expired", "gateway_connection=default");
        // The purge and the autovacuum of the server may change both in between.
        await Poll.UntilAsync(async () =>
        {
            var (records, bytes) = await ReadAsync();
            var text = await gateway.ReadAsync();
            return records >= 10 && records == text.Sum("gateway_journal_records", "gateway_connection=default")
                && bytes == text.Sum("gateway_journal_size_bytes", "gateway_connection=default");
        });
        // Another test must not count this record.
        await gateway.GrowsAsync(1, "gateway_journal_purged_total", [], () => transaction.RollbackAsync());

        async Task<(long, long)> ReadAsync()
        {
            await using var count = new NpgsqlCommand(Contents, session);
            await using var reader = await count.ExecuteReaderAsync();
            await reader.ReadAsync();
            return (reader.GetInt64(0), reader.GetInt64(1));
        }
    }

    /// <summary>
    /// Any values that a caller can invent: paths, methods, hosts, IDs, connections, callers, SQLSTATEs.
    /// </summary>
    [Fact]
    public async Task HostileRequests_MakeNoSeriesOfTheirOwn()
    {
        await gateway.EverythingAsync();
        await BeHostileAsync(seed: 1);
        var known = await SeriesAsync();

        for (var seed = 2; seed < 8; seed++)
            await BeHostileAsync(seed);

        Assert.Equal(known, await SeriesAsync());
        Assert.DoesNotContain("hostile", string.Join('\n', known), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Page_IsForProgramsAndNotKept()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Add("Accept-Encoding", "gzip, br");
        using var response = await gateway.Client.Http.SendAsync(request);

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        Assert.True(response.Headers.CacheControl!.NoStore);
        Assert.Single(response.Content.Headers.ContentEncoding);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await gateway.Client.SendToAsync("/metrics", new ByteArrayContent([]))).Status);
    }

    [Fact]
    public async Task Page_PassesPrometheussOwnCheck()
    {
        await gateway.EverythingAsync();
        var text = (await gateway.ReadAsync()).Text;
        var file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.prom");
        await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);
        try
        {
            await using var check = new ClientProcess(
                Path.GetTempPath(), "bash", ["-c", "exec \"$0\" check metrics <\"$1\"", DebianProgram.PathOf("promtool"), file]);
            await check.WaitForExitAsync();
            // OpenTelemetry's conventions require these names; promtool recommends others.
            Assert.DoesNotContain(
                check.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries),
                line => !line.EndsWith("non-histogram and non-summary metrics should not have \"_count\" suffix", StringComparison.Ordinal));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task TwoGatewaysInOneProcess_AreMeasuredApart()
    {
        await gateway.QueryAsync();
        await gateway.GrowsAsync(0, Requests, ["http_route=/healthz/startup"], async () =>
        {
            await using var other = await RunningGateway.StartAsync($"--DSN={gateway.Dsn}");
            await other.Client.GetAsync("/healthz/startup");
            Assert.Equal(
                0, new MetricsText((await other.Client.GetAsync("/metrics")).Text).Sum(Requests, "http_route=/v1/query"));
        });
    }

    [Fact]
    public async Task ServiceName_ComesFromAnySetting()
    {
        await using var named = await RunningGateway.StartAsync($"--DSN={gateway.Dsn}", "--OTEL_SERVICE_NAME=shop");

        var page = new MetricsText((await named.Client.GetAsync("/metrics")).Text);

        Assert.Single(page.Find("target_info", "service_name=shop"));
    }

    private async Task BeHostileAsync(int seed)
    {
        var random = new Random(seed);
        string Word() => $"hostile{random.Next():x}";
        string[] methods = ["GET", "POST", "DELETE", Word().ToUpperInvariant()];
        for (var number = 0; number < 40; number++)
        {
            using var request = new HttpRequestMessage(new HttpMethod(methods[number % methods.Length]), $"/{Word()}/{Word()}?{Word()}");
            request.Headers.Host = $"{Word()}.example.org";
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Word()}");
            request.Headers.TryAddWithoutValidation("User-Agent", Word());
            using var response = await gateway.Client.Http.SendAsync(request);
        }
        using var stranger = new GatewayClient(gateway.Address, Word());
        await stranger.PostAsync("query", new { activityId = Word(), sql = Word() });
        await gateway.Client.PostAsync("query", new { activityId = Word(), connection = Word(), sql = "SELECT 1" });
        await gateway.Client.PostAsync("execute", new { activityId = Word(), sql = $"SELECT '{Word()}' AS {Word()}" });
        await gateway.Client.FindActivityAsync(Word());
        await gateway.Client.FindActivityAsync(Word(), $"?connection={Word()}");
        await gateway.Client.CancelActivityAsync(Word());
        await gateway.Client.PostAsync("execute", new
        {
            activityId = Word(),
            sql = $"DO $$ BEGIN RAISE EXCEPTION 'hostile' USING ERRCODE = 'H{random.Next(1000, 9999)}'; END $$",
        });
    }

    /// <summary>
    /// Reads the series until they stay the same, because a request is measured after it was answered.
    /// </summary>
    private async Task<string[]> SeriesAsync()
    {
        var (last, same) = (Array.Empty<string>(), 0);
        return await Poll.ReadAsync(ReadAsync, now =>
        {
            same = now.SequenceEqual(last) ? same + 1 : 0;
            last = now;
            return same == 10;
        });

        // The runtime has its own, of which some come with their first event.
        async Task<string[]> ReadAsync() =>
        [
            .. (await gateway.ReadAsync()).Samples.Select(sample => sample.Series)
                .Where(series => !series.StartsWith("dotnet_", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
        ];
    }

    private static string SeriesWithoutBound(Sample sample) =>
        string.Join(',', sample.Labels.Where(label => label.Key != "le").OrderBy(label => label.Key, StringComparer.Ordinal));

    private static double BoundOf(Sample sample) => sample.Labels["le"] == "+Inf"
        ? double.PositiveInfinity
        : double.Parse(sample.Labels["le"], CultureInfo.InvariantCulture);
}
