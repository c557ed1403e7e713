using System.Diagnostics;
using System.Net.Sockets;
using Npgsql;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>Tests that the proxy works: a fault that does not happen proves nothing about the gateway.</summary>
public sealed class FaultProxyTests(GatewayFixture fixture) : IAsyncDisposable
{
    private readonly FaultProxy _proxy = FaultProxy.Start(fixture.Dsn);

    public ValueTask DisposeAsync() => _proxy.DisposeAsync();

    [Fact]
    public async Task Pass_ForwardsAllBothWaysAndTheClose()
    {
        await using (var connection = await OpenAsync())
        {
            var text = new string('x', 3_000_000);
            Assert.Equal(text, await AskAsync<string>(connection, "SELECT $1", text));
            Assert.Equal(1, _proxy.OpenConnections);
        }
        await UntilAsync(() => _proxy.OpenConnections == 0);
    }

    [Fact]
    public async Task Delay_TakesItsTime()
    {
        await using var connection = await OpenAsync();
        _proxy.SetExisting(new Delay(TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(150)));

        var clock = Stopwatch.StartNew();
        Assert.Equal(1, await AskAsync<int>(connection, "SELECT 1"));

        Assert.True(clock.ElapsedMilliseconds >= 195, $"There and back took {clock.ElapsedMilliseconds} ms.");
    }

    [Fact]
    public async Task EndInstead_EndsTheSessionAndWhatTheServerDidStays()
    {
        await fixture.ExecuteAsync("CREATE TABLE ended_instead (a int)");
        await using var connection = await OpenAsync();
        _proxy.SetExisting(new EndInstead("INSERT", "PANIC", "58030"));
        Assert.Equal(1, await AskAsync<int>(connection, "SELECT 1"));

        var error = await Assert.ThrowsAsync<PostgresException>(() => AskAsync<int>(connection, "INSERT INTO ended_instead VALUES (1)"));

        Assert.Equal(("PANIC", "58030"), (error.InvariantSeverity, error.SqlState));
        Assert.Equal(1, _proxy.AnswersReplaced);
        Assert.Equal(1L, await fixture.ReadAsync<long>("SELECT count(*) FROM ended_instead"));
        await UntilAsync(() => _proxy.OpenConnections == 0);
    }

    [Fact]
    public async Task BlackHoleForExisting_SwallowsThemAndTheirCloseAndNotNewOnes()
    {
        await using var connection = await OpenAsync();
        await using var closed = await OpenAsync();
        var backend = await AskAsync<int>(closed, "SELECT pg_backend_pid()");
        _proxy.SetExisting(new BlackHole());

        await closed.CloseAsync();
        await using var another = await OpenAsync();
        Assert.Equal("idle", await AskAsync<string>(another, "SELECT state FROM pg_stat_activity WHERE pid = $1", backend));
        await AssertUnansweredAsync(AskAsync<int>(connection, "SELECT 1"));
    }

    [Fact]
    public async Task BlackHoleForNew_SwallowsThemAndNotExistingOnes()
    {
        await using var connection = await OpenAsync();
        _proxy.SetUpcoming(new BlackHole());

        var error = await Assert.ThrowsAsync<NpgsqlException>(() => OpenAsync(1));

        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.Equal(1, await AskAsync<int>(connection, "SELECT 1"));
        _proxy.SetUpcoming(Fault.None);
        await using var another = await OpenAsync();
        Assert.Equal(1, await AskAsync<int>(another, "SELECT 1"));
    }

    [Theory]
    [InlineData(Direction.ToServer, 0)]
    [InlineData(Direction.ToClient, 1)]
    public async Task HalfOpen_SwallowsOneDirectionOnly(Direction direction, long kept)
    {
        var table = $"half_open_{direction}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (a int)");
        await using var connection = await OpenAsync();
        _proxy.SetExisting(new BlackHole(direction));

        await AssertUnansweredAsync(AskAsync<object>(connection, $"INSERT INTO {table} VALUES (1) RETURNING a"));

        Assert.Equal(kept, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    [Fact]
    public async Task Reset_IsSeenByBothEnds()
    {
        await using var connection = await OpenAsync();
        var backend = await AskAsync<int>(connection, "SELECT pg_backend_pid()");
        _proxy.SetExisting(new Reset());

        var error = await Assert.ThrowsAsync<NpgsqlException>(() => AskAsync<int>(connection, "SELECT 1"));
        var socket = Assert.IsType<SocketException>(error.InnerException?.InnerException ?? error.InnerException, exactMatch: false);
        Assert.Contains(socket.SocketErrorCode, new[] { SocketError.ConnectionReset, SocketError.Shutdown });
        await UntilAsync(() => fixture.ReadAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE pid = {backend}"), 0);

        _proxy.SetUpcoming(new Reset());
        await Assert.ThrowsAsync<NpgsqlException>(() => OpenAsync(1));
    }

    [Theory]
    [InlineData(Direction.ToServer)]
    [InlineData(Direction.ToClient)]
    public async Task CutAfter_ForwardsExactlyThatMuch(Direction direction)
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        await using var proxy = FaultProxy.Start($"Host=127.0.0.1;Username=nobody;Port={((System.Net.IPEndPoint)listener.LocalEndpoint).Port}");
        proxy.SetUpcoming(new CutAfter(7, direction));
        using var client = new TcpClient();
        await client.ConnectAsync(proxy.Endpoint);
        using var server = await listener.AcceptTcpClientAsync();

        var (from, to) = direction == Direction.ToServer ? (client, server) : (server, client);
        // The start-up packet is identified by its length only, and the proxy reads it.
        await to.GetStream().WriteAsync("other way"u8.ToArray());
        await from.GetStream().WriteAsync(new byte[] { 0, 0, 0, 99, 5 });
        await from.GetStream().WriteAsync(new byte[] { 6, 7, 8, 9 });

        var received = new MemoryStream();
        await to.GetStream().CopyToAsync(received).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal([0, 0, 0, 99, 5, 6, 7], received.ToArray());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task DropCommitAnswer_LosesTheAnswerAndNotTheCommit(bool reset)
    {
        var table = $"dropped_{reset}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (a int)");
        await using var connection = await OpenAsync();
        _proxy.SetExisting(new DropCommitAnswer(reset));

        await AskAsync<object?>(connection, "BEGIN");
        Assert.Equal(1, await AskAsync<int>(connection, $"INSERT INTO {table} VALUES (1) RETURNING a"));
        Assert.Equal(0, _proxy.CommitAnswersDropped);
        var commit = AskAsync<object?>(connection, "COMMIT");
        if (reset)
            await Assert.ThrowsAsync<NpgsqlException>(() => commit);
        else
            await AssertUnansweredAsync(commit);

        Assert.Equal(1, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
        Assert.Equal(1, _proxy.CommitAnswersDropped);
    }

    [Fact]
    public void Commit_IsFoundHoweverItsBytesAreSplit()
    {
        byte[] stream =
        [
            0, 0, 0, 8, 4, 210, 22, 47, // SSLRequest
            0, 0, 0, 9, 0, 3, 0, 0, 0, // start-up
            (byte)'P', 0, 0, 0, 17, .. "a\0SELECT 1\0\0\0"u8,
            (byte)'B', 0, 0, 0, 7, .. "\0a\0"u8,
            (byte)'P', 0, 0, 0, 14, .. "\0COMMIT\0\0\0"u8,
            (byte)'B', 0, 0, 0, 6, 0, 0,
        ];
        for (var piece = 1; piece <= stream.Length; piece++)
        {
            var messages = new FrontendMessages();
            var found = stream.Chunk(piece).Select(bytes => messages.Read(bytes).Any(message => message.AsksToCommit)).ToList();
            Assert.Equal(1, found.Count(commits => commits));
            Assert.True(found[^1]);
        }
    }

    private async Task<NpgsqlConnection> OpenAsync(int timeoutSeconds = 30)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_proxy.Dsn)
        {
            Pooling = false,
            Timeout = timeoutSeconds,
        }.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Also ends the connection, because its client would wait for the answer before it closes.</summary>
    private async Task AssertUnansweredAsync(Task statement)
    {
        await Assert.ThrowsAsync<TimeoutException>(() => statement.WaitAsync(TimeSpan.FromSeconds(0.3)));
        _proxy.SetExisting(new Reset());
        await Assert.ThrowsAsync<NpgsqlException>(() => statement);
    }

    private static async Task<T> AskAsync<T>(NpgsqlConnection connection, string sql, object? parameter = null)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        if (parameter is not null)
            command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private static Task UntilAsync(Func<bool> condition) => Poll.UntilAsync(condition);

    private static Task<T> UntilAsync<T>(Func<Task<T>> read, T value) =>
        Poll.ReadAsync(read, now => EqualityComparer<T>.Default.Equals(now, value));
}
