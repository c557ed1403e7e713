using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>A statement as it was sent.</summary>
/// <param name="Call">What was asked for.</param>
/// <param name="Statement">The statement, its values as text.</param>
/// <param name="Command">What carries it; Npgsql leaves its command tag there.</param>
/// <param name="Known">What was known of it.</param>
/// <param name="IsFresh">Whether that was asked for in this transaction.</param>
internal sealed record SentStatement(
    StatementCall Call, BoundStatement Statement, NpgsqlBatchCommand Command, StatementDescription Known, bool IsFresh)
{
    /// <summary>Whether a look at the catalog goes before it, since what is known may no longer be so.</summary>
    public bool FollowsLook => !IsFresh && !Known.Watch.IsEmpty;

    /// <summary>Whether it may have failed since a value was taken for another type's, or a type is gone.</summary>
    public bool MayBeStale(PostgresException error) =>
        !IsFresh && Known.Parameters is not null && Statement.HasTypes && error.SqlState[..2] is "22" or "42" or "XX";
}

/// <summary>
/// The statements of a call on their way to the server: as many at a time as can be sent without knowing what earlier ones
/// return, or what the server says of them.
/// </summary>
internal sealed class OutgoingStatements(ActivityCall call, StatementDescriptions descriptions)
{
    private readonly List<SentStatement> _sent = [];

    private long _referredBytes;

    // The next, with its references replaced, and what the server has said of it.
    private BoundStatement? _next;
    private StatementDescription? _asked;

    /// <summary>Those that were sent, in their order.</summary>
    public IReadOnlyList<SentStatement> Sent => _sent;

    public bool AreAllSent => _sent.Count == call.Statements.Count;

    /// <summary>The statement that the server is being asked about; null where it is not.</summary>
    public BoundStatement? BeingAsked { get; private set; }

    /// <summary>
    /// What goes with the next round trip: statements up to one that refers to a result which is not here yet, or of which the server
    /// must be asked first.
    /// </summary>
    /// <exception cref="Failure">A parameter has no value, or none of its type.</exception>
    public List<NpgsqlBatchCommand> Take(IReadOnlyList<StatementResult> results)
    {
        var commands = new List<NpgsqlBatchCommand>();
        while (!AreAllSent && TryMake(call.Statements[_sent.Count], results) is { } statement)
        {
            if (statement.FollowsLook)
                commands.Add(statement.Known.Watch.Look());
            commands.Add(statement.Command);
            _sent.Add(statement);
            (_next, _asked) = (null, null);
        }
        return commands;
    }

    /// <summary>
    /// Asks the server of the next statement. Whatever runs before it has run, and may have made what it is about.
    /// </summary>
    /// <exception cref="PostgresException">The statement is wrong.</exception>
    /// <exception cref="Failure">A declared type is none of the database's.</exception>
    public async Task AskAsync(Session session)
    {
        BeingAsked = _next;
        _asked = await descriptions.AskAsync(session, _next!);
        BeingAsked = null;
    }

    public void Forget(SentStatement statement) => descriptions.Forget(statement.Statement);

    /// <summary>Remembers which columns of a result were of types that DDL can change.</summary>
    public void Remember(SentStatement statement, StatementResult result)
    {
        if (!result.AlterableTypes.SequenceEqual(statement.Known.AlterableResults, ReferenceEqualityComparer.Instance))
            descriptions.Remember(statement.Statement, new StatementDescription(statement.Known.Parameters, result.AlterableTypes));
    }

    private SentStatement? TryMake(StatementCall statement, IReadOnlyList<StatementResult> results)
    {
        if (statement.Statement.LatestReferred >= results.Count)
            return null;

        var bound = _next ??= statement.Statement.Resolve(results, ref _referredBytes);
        var known = _asked ?? descriptions.Find(bound) ?? StatementDescription.None;
        if (bound.NeedsTypes)
        {
            if (known.Parameters is null)
                return null;
            try
            {
                bound = bound.Encode(known.Parameters);
            }
            catch (Failure) when (_asked is null)
            {
                // What is remembered of the types may no longer be so.
                return null;
            }
        }
        return new SentStatement(statement, bound, bound.ToCommand(), known, IsFresh: _asked is not null);
    }
}
