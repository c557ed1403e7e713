using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Replay;

/// <summary>
/// Where a write is recorded under its activity ID, in the transaction of its effect. No connection has a journal yet,
/// so what needs one is refused, rather than run with a promise that is not kept.
/// </summary>
internal static class Journal
{
    /// <exception cref="Failure"><c>journal_missing</c></exception>
    public static void RequireFor(Delivery delivery)
    {
        if (delivery == Delivery.ExactlyOnce)
        {
            throw new Failure(
                ProblemCode.JournalMissing,
                "exactly-once, the default, needs a journal in the database, which this version can't install yet. "
                + "Send \"delivery\": \"at-least-once\" to run the statement each time that it is sent, and make it safe to "
                + "repeat (INSERT … ON CONFLICT DO NOTHING, say).");
        }
    }
}
