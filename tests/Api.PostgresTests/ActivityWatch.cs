using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Watches statements on the server, directly and every few milliseconds. It identifies a statement by the comment that
/// <see cref="Mark"/> puts before it. A statement counts as running until its transaction has ended too.
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

    /// <summary>Returns the statement with a new marker.</summary>
    public (string Marker, string Sql) Mark(string sql)
    {
        var marker = $"{_run}-{Interlocked.Increment(ref _markers)}";
        return (marker, $"/* {marker} */ {sql}");
    }

    /// <summary>
    /// Returns when the statement runs and, if an event is given (such as <c>PgSleep</c>), waits for that event.
    /// </summary>
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

    /// <summary>Returns the time after a moment until the statement was gone, at most; null if it stays.</summary>
    public async Task<TimeSpan?> EndedAsync(string marker, long since, TimeSpan patience)
    {
        while (true)
        {
            var sight = await NextAsync();
            // A look that began before that moment tells nothing about the time after it.
            if (sight.Asked >= since && !sight.Running.ContainsKey(marker))
                return Stopwatch.GetElapsedTime(since, sight.Answered);
            if (Stopwatch.GetElapsedTime(since) > patience)
                return null;
        }
    }

    /// <summary>Returns when the statement was last seen; null if it was never seen.</summary>
    public long? LastSeen(string marker) => _lastSeen.TryGetValue(marker, out var seen) ? seen : null;

    /// <summary>Ends the watch, and terminates the remaining statements.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        try
        {
            await _looking;
        }
        catch (OperationCanceledException)
        {
            // Stopped by DisposeAsync.
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

    /// <summary>Represents one look: the wait event of each running statement, by its marker.</summary>
    private sealed record Sight(long Asked, long Answered, IReadOnlyDictionary<string, string> Running);
}
