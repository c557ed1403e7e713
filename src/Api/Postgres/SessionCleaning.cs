namespace Gateway.Api.Postgres;

/// <summary>Chooses the statement that cleans a session after a request.</summary>
/// <remarks>
/// DISCARD ALL is cheaper than a cleaning that keeps the plans of functions. But planning the journal's functions again
/// for each write takes longer than the rest of its work.
/// </remarks>
internal sealed class SessionCleaning
{
    public const string DiscardAll = "DISCARD ALL";

    /// <summary>Break-even point: after 8 reads, planning again is cheaper than keeping the plans.</summary>
    public const int KeepPlansForRequests = 8;

    private int _requestsSincePlansWereUsed = KeepPlansForRequests;
    private string _cleaningThatKeepsPlans = "";

    /// <summary>Gets the statement that cleans the session after the current request.</summary>
    public string Sql => _requestsSincePlansWereUsed < KeepPlansForRequests ? _cleaningThatKeepsPlans : DiscardAll;

    /// <summary>Keeps the plans for a while: the journal's functions run in this request.</summary>
    /// <param name="cleaning">Resets the session as DISCARD ALL does, and keeps the plans.</param>
    public void KeepPlans(string cleaning) => (_requestsSincePlansWereUsed, _cleaningThatKeepsPlans) = (0, cleaning);

    /// <summary>Counts a request that has ended.</summary>
    public void CountRequest() => _requestsSincePlansWereUsed++;
}
