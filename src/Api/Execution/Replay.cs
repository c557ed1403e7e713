using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>Answers a request from the record of an earlier attempt. No statement runs.</summary>
internal static class Replay
{
    /// <summary>Looks for the record of the call's activity, by the control role.</summary>
    /// <returns>Null if there is none.</returns>
    /// <exception cref="Failure">The server can't be asked, or does not answer before the deadline.</exception>
    /// <exception cref="CallerLeftException">The caller has disconnected.</exception>
    public static async Task<ActivityRecord?> FindRecordAsync(
        ActivityCall call, NamedConnection connection, Deadline deadline)
    {
        try
        {
            return await connection.Journal.FindAsync(call.Activity, deadline.Token);
        }
        catch (OperationCanceledException error) when (deadline.Token.IsCancellationRequested)
        {
            throw deadline.Ended("looking for the activity's record", error);
        }
        catch (NpgsqlException error)
        {
            throw PostgresFailure.Unreachable(error, connection.Name);
        }
    }

    /// <summary>Makes the answer a replay.</summary>
    /// <exception cref="Failure">
    /// <c>activity_mismatch</c>: the record is of another request. <c>sql_rejected</c>: the record has no answer,
    /// because the earlier attempt's SQL ended the gateway's transaction.
    /// </exception>
    public static RunOutcome.Replayed From(ActivityRecord record, ActivityCall call, ActivityAnswer answer)
    {
        if (!call.RequestHash!.Matches(record.RequestHash))
            throw ActivityJournal.Mismatch();
        answer.SetReplay(record.Answer ?? throw ActivityJournal.Escaped());
        answer.Position = record.Position;
        return new RunOutcome.Replayed(answer);
    }
}
