using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// What becomes of statements on the server, looked up every few milliseconds past the gateway. A statement is known by
/// the comment that <see cref="Mark"/> puts before it, and counts as running until its transaction has ended too.
/// </summary>
public sealed class ActivityWatch : IAsyncDisposable
{
    private const string Ask = """
        SELECT substring(query from '^/\* (\S+) \*/'), coalesce(wait_event, '') FROM pg_stat_activity
        WHERE starts_with(query, $1) AND state <> 'idle'
        """;

    private const string Terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, $1)";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly NpgsqlConnection _connection;
    private readonly string _run = $"watched-{Guid.NewGuid():N}";
    private readonly ConcurrentDictionary<string, long> _lastSeen = new();
    private readonly CancellationTokenSource _end = new();
    private TaskCompletionSource<Sight> _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _looking = Task.CompletedTask;
    private int _markers;

    private ActivityWatch(NpgsqlConnection connection) => _connection = connection;

    public static async Task<ActivityWatch> StartAsync(string dsn)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(dsn) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        var watch = new ActivityWatch(connection);
        watch._looking = watch.LookAsync();
        return watch;
    }

    /// <summary>The statement under a marker of its own.</summary>
    public (string Marker, string Sql) Mark(string sql)
    {
        var marker = $"{_run}-{Interlocked.Increment(ref _markers)}";
        return (marker, $"/* {marker} */ {sql}");
    }

    /// <summary>Returns once the statement is at it, and waits for that event (as <c>PgSleep</c>) where one is named.</summary>
    /// <exception cref="TimeoutException">It was never seen.</exception>
    public async Task RunningAsync(string marker, string? waitEvent = null)
    {
        var begun = Stopwatch.GetTimestamp();
        while (true)
        {
            var sight = await NextAsync();
            if (sight.Running.TryGetValue(marker, out var found) && (waitEvent ?? found) == found)
                return;
            if (Stopwatch.GetElapsedTime(begun) > Patience)
                throw new TimeoutException($"{marker} was not seen running on the server.");
        }
    }

    /// <summary>How long after that moment the statement was gone, at most; null where it stays.</summary>
    public async Task<TimeSpan?> EndedAsync(string marker, long since, TimeSpan patience)
    {
        while (true)
        {
            var sight = await NextAsync();
            // A look that was on its way at that moment says nothing of what came after.
            if (sight.Asked >= since && !sight.Running.ContainsKey(marker))
                return Stopwatch.GetElapsedTime(since, sight.Answered);
            if (Stopwatch.GetElapsedTime(since) > patience)
                return null;
        }
    }

    /// <summary>When the statement was last seen, or null.</summary>
    public long? LastSeen(string marker) => _lastSeen.TryGetValue(marker, out var seen) ? seen : null;

    /// <summary>Ends the watch, and what is left of the statements.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        try
        {
            await _looking;
        }
        catch (OperationCanceledException)
        {
            // As asked.
        }
        await using (var command = Command(Terminate))
            await command.ExecuteNonQueryAsync();
        await _connection.DisposeAsync();
        _end.Dispose();
    }

    private Task<Sight> NextAsync() => Volatile.Read(ref _next).Task.WaitAsync(Patience);

    private async Task LookAsync()
    {
        try
        {
            await using var command = Command(Ask);
            await command.PrepareAsync();
            while (true)
            {
                var sight = await LookAsync(command);
                foreach (var marker in sight.Running.Keys)
                    _lastSeen[marker] = sight.Answered;
                Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult(sight);
                await Task.Delay(Interval, _end.Token);
            }
        }
        catch (NpgsqlException error)
        {
            _next.SetException(error);
            throw;
        }
    }

    private static async Task<Sight> LookAsync(NpgsqlCommand command)
    {
        var running = new Dictionary<string, string>();
        var asked = Stopwatch.GetTimestamp();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            running[reader.GetString(0)] = reader.GetString(1);
        return new Sight(asked, Stopwatch.GetTimestamp(), running);
    }

    private NpgsqlCommand Command(string sql) =>
        new(sql, _connection) { Parameters = { new NpgsqlParameter { Value = $"/* {_run}" } } };

    /// <summary>One look: what each statement that runs waits for, by its marker.</summary>
    private sealed record Sight(long Asked, long Answered, IReadOnlyDictionary<string, string> Running);
}
