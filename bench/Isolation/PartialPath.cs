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
/// Off: one deadline for all requests, which never ends: no timer, no watchdog.
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

    public async Task<ActivityAnswer> RunAsync(ActivityCall call, RequestRecord record, CancellationToken callerLeft)
    {
        using var own = budget ? new Deadline(call.Budget, record.Elapsed, clock, callerLeft) : null;
        var deadline = own ?? _never;

        var connection = connections.Find(call.Activity.Connection);
        record.Connection = connection.Name;
        record.Enter(Stage.Queue);
        using var place = await connection.Queue.EnterAsync(call.Activity.Caller, deadline);
        return await RunInSessionAsync(call, connection, deadline, record);
    }

    public async ValueTask DisposeAsync()
    {
        while (_unclean.TryPop(out var session))
            await session.DisposeAsync();
        _never.Dispose();
    }

    private async Task<ActivityAnswer> RunInSessionAsync(
        ActivityCall call, NamedConnection connection, Deadline deadline, RequestRecord record)
    {
        record.Enter(Stage.Connect);
        if (isolation || !_unclean.TryPop(out var session))
            session = await connection.Sessions.RentAsync(fresh: false, deadline);
        var run = new ActivityRun(call, connection, session, new ActivityAnswer(options.ResponseLimitBytes, clock), deadline);
        try
        {
            record.Enter(Stage.Execute);
            await run.RunStatementsAsync();
            run.Answer.Complete(call);

            record.Enter(Stage.Commit);
            await (isolation ? run.EndAsync() : session.GuardAsync(EndAsync(call, session), deadline.BudgetEnd));
            record.Rows = run.Answer.RowCount;
        }
        catch
        {
            // What is abandoned may still write to it.
            if (!session.Abandoned)
                run.Answer.Dispose();
            await session.DisposeAsync();
            throw;
        }

        if (isolation)
            await connection.Sessions.ReturnAsync(session);
        else
            _unclean.Push(session);
        return run.Answer;
    }

    private static async Task EndAsync(ActivityCall call, Session session)
    {
        var end = new NpgsqlBatchCommand(call.Mode.Access == Access.ReadOnly ? "ROLLBACK" : "COMMIT");
        await using var reader = await session.ExecuteAsync(end);
    }
}
