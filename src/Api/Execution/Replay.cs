using Gateway.Api.Errors;
using Gateway.Api.Journal;

namespace Gateway.Api.Execution;

/// <summary>Answers a request from the record of an earlier attempt. No statement runs.</summary>
internal static class Replay
{
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
        return new RunOutcome.Replayed(answer);
    }
}
