using System.Collections.Concurrent;
using Gateway.Api.Connections;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Npgsql;

namespace Gateway.Isolation;

/// <summary>
/// The gateway's path with parts of it off, made of the gateway's own pieces. With both parts on it is a control: what
/// sets it apart from <see cref="StatementPath"/> is the error of this way to measure.
/// </summary>
/// <param name="budget">
/// Off: one deadline for all requests, which never ends, and nobody who waits for it: no timer, no watchdog.
/// </param>
/// <param name="isolation">Off: a session goes to the next request as the last one left it.</param>
/// <param name="connections">The named connections.</param>
/// <param name="options">The limits.</param>
/// <param name="clock">What deadlines run by.</param>
internal sealed class PartialPath(
    bool budget, bool isolation, ConnectionRegistry connections, GatewayOptions options, TimeProvider clock) : IAsyncDisposable
{
    private readonly Deadline _never = new(TimeSpan.FromDays(1), TimeSpan.Zero, clock, CancellationToken.None);

    // The gateway's pool closes what has not been cleaned.
    private readonly ConcurrentStack<Session> _unclean = new();

    public async Task<StatementAnswer> RunAsync(StatementCall call, RequestRecord record, CancellationToken callerLeft)
    {
        using var own = budget ? new Deadline(call.Budget, record.Elapsed, clock, callerLeft) : null;
        var deadline = own ?? _never;

        var connection = connections.Find(call.Connection);
        record.Connection = connection.Name;
        record.Enter(Stage.Queue);
        using var place = await connection.Queue.EnterAsync(call.Caller, deadline);

        try
        {
            return await RunInSessionAsync(call, connection, deadline, record);
        }
        catch (Exception error) when (deadline.Token.IsCancellationRequested)
        {
            throw deadline.Ended("running the statement", error);
        }
    }

    public async ValueTask DisposeAsync()
    {
        while (_unclean.TryPop(out var session))
            await session.DisposeAsync();
        _never.Dispose();
    }

    private async Task<StatementAnswer> RunInSessionAsync(
        StatementCall call, NamedConnection connection, Deadline deadline, RequestRecord record)
    {
        record.Enter(Stage.Connect);
        if (isolation || !_unclean.TryPop(out var session))
            session = await connection.Sessions.RentAsync(fresh: false, deadline);
        var answer = new StatementAnswer(options.ResponseLimitBytes);
        try
        {
            record.Enter(Stage.Execute);
            await GuardAsync(session, ReadAsync(call, connection, session, answer), deadline.Token);
            answer.Complete(call.ActivityId);

            record.Enter(Stage.Commit);
            await GuardAsync(session, EndAsync(call, session), deadline.BudgetEnd);
            record.Rows = answer.RowCount;
        }
        catch
        {
            // What is abandoned may still write to it.
            if (!session.Abandoned)
                answer.Dispose();
            await session.DisposeAsync();
            throw;
        }

        if (isolation)
            await connection.Sessions.ReturnAsync(session);
        else
            _unclean.Push(session);
        return answer;
    }

    private Task GuardAsync(Session session, Task work, CancellationToken end) =>
        budget ? session.GuardAsync(work, end) : work;

    private static async Task ReadAsync(
        StatementCall call, NamedConnection connection, Session session, StatementAnswer answer)
    {
        var begin = new NpgsqlBatchCommand(call.Access == Access.ReadOnly ? "BEGIN READ ONLY" : "BEGIN READ WRITE");
        var statement = call.Statement.ToCommand();
        await using var reader = await session.ExecuteAsync(begin, statement);
        await answer.ReadAsync(reader, statement, call, connection.Types, session.Abandoning);
    }

    private async Task EndAsync(StatementCall call, Session session)
    {
        if (isolation)
        {
            await session.EndTransactionAsync(call.Access);
            return;
        }
        var end = new NpgsqlBatchCommand(call.Access == Access.ReadOnly ? "ROLLBACK" : "COMMIT");
        await using var reader = await session.ExecuteAsync(end);
    }
}
