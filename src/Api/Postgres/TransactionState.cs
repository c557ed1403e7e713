namespace Gateway.Api.Postgres;

/// <summary>Represents how far a session's transaction is, as far as the server has confirmed it.</summary>
/// <remarks>
/// Each state has one next state: None → Beginning → Open → Ending → Ended → None. A statement that fails changes
/// nothing: the transaction stays where it is, until a ROLLBACK is sent.
/// </remarks>
internal enum TransactionState
{
    /// <summary>There is no transaction, and nothing of a request is left in the session.</summary>
    None,

    /// <summary>BEGIN was sent and not confirmed. If the session is lost now, nothing is kept.</summary>
    Beginning,

    /// <summary>BEGIN is confirmed.</summary>
    Open,

    /// <summary>COMMIT or ROLLBACK was sent and not confirmed.</summary>
    Ending,

    /// <summary>COMMIT or ROLLBACK is confirmed, and the cleaning that follows it is not.</summary>
    Ended,
}

/// <summary>Represents how far one of the gateway's own commands is.</summary>
internal enum CommandStep
{
    NotSent,
    Sent,

    /// <summary>Its command tag has arrived, so the server has run it.</summary>
    Confirmed,
}

/// <summary>
/// Derives the state of a transaction from its three commands, which <see cref="SessionTransaction"/> keeps. It is
/// the only place that does.
/// </summary>
internal static class TransactionStates
{
    /// <param name="begin">BEGIN.</param>
    /// <param name="end">COMMIT or ROLLBACK, whichever was sent last.</param>
    /// <param name="cleaning">The cleaning that was sent with it.</param>
    public static TransactionState Of(CommandStep begin, CommandStep end, CommandStep cleaning) =>
        (begin, end, cleaning) switch
        {
            (CommandStep.NotSent, _, _) or (_, _, CommandStep.Confirmed) => TransactionState.None,
            (_, CommandStep.Confirmed, _) => TransactionState.Ended,
            // The end may be in the same round trip as BEGIN.
            (CommandStep.Sent, _, _) => TransactionState.Beginning,
            (_, CommandStep.Sent, _) => TransactionState.Ending,
            _ => TransactionState.Open,
        };
}
