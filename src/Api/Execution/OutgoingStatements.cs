using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Api.Sql;
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
    /// <summary>Goes before it where its values were made for types that are remembered.</summary>
    public TypeCheck? Check { get; init; }

    /// <summary>Its columns' types, where they were asked for in this transaction.</summary>
    public ResultTypes? ResultTypes { get; init; }

    /// <summary>
    /// Whether an earlier statement of the transaction may have made or altered a type, which nobody else sees.
    /// </summary>
    public bool MayFollowDdl { get; init; }

    /// <summary>Whether a look at the catalog goes before it, since what is known may no longer be so.</summary>
    public bool FollowsLook => !IsFresh && !Known.Watch.IsEmpty;

    /// <summary>
    /// Whether it was not the statement that failed but its check: the types are not what they were. Nothing of it has
    /// run.
    /// </summary>
    public bool IsStale(PostgresException error) =>
        Check is { } check && check.Has(error.BatchCommand) && error.SqlState[..2] is "0A" or "22" or "42" or "XX";
}

/// <summary>
/// The statements of a call on their way to the server: as many at a time as can be sent without knowing what earlier ones
/// return, or what the server says of them.
/// </summary>
/// <param name="call">The call.</param>
/// <param name="results">The results so far; later ones come to it.</param>
/// <param name="descriptions">What is remembered of statements.</param>
/// <param name="asksAll">
/// Whether the server is asked of all that depends on types, since what was remembered was wrong.
/// </param>
/// <param name="memory">Counts what references to results take.</param>
internal sealed class OutgoingStatements(
    ActivityCall call, IReadOnlyList<StatementResult> results, StatementDescriptions descriptions, bool asksAll, MemoryReservation memory)
    : IDisposable
{
    private readonly List<SentStatement> _sent = [];

    private readonly ReferredResults _referred = new(results, memory);

    // The next, with its references replaced, and what the server has said of it.
    private BoundStatement? _next;
    private StatementDescription? _asked;
    private ResultTypes? _resultTypes;

    /// <summary>Those that were sent, in their order.</summary>
    public IReadOnlyList<SentStatement> Sent => _sent;

    public bool AreAllSent => _sent.Count == call.Statements.Count;

    /// <summary>The statement that the server is being asked about; null where it is not.</summary>
    public BoundStatement? BeingAsked { get; private set; }

    private string Caller => call.Activity.Caller;

    /// <summary>
    /// Whether a caller's statement has run that may have changed types: PostgreSQL lets no READ ONLY transaction.
    /// </summary>
    private bool MayFollowDdl => call.Mode.Access == Access.ReadWrite && _sent.Count > 0;

    /// <summary>
    /// What goes with the next round trip: statements up to one that refers to a result which is not here yet, or of which the server
    /// must be asked first.
    /// </summary>
    /// <param name="deadline">Ends it between two statements, of which each may take some time to make.</param>
    /// <exception cref="Failure">A parameter has no value, or none of its type; or the budget is spent.</exception>
    public List<NpgsqlBatchCommand> Take(Deadline deadline)
    {
        var commands = new List<NpgsqlBatchCommand>();
        while (!AreAllSent && TryMake(call.Statements[_sent.Count]) is { } statement)
        {
            if (deadline.Token.IsCancellationRequested)
                throw deadline.Ended("resolving $ref parameters");
            if (statement.Check is { } check)
                commands.AddRange(check.Commands);
            if (statement.FollowsLook)
                commands.Add(statement.Known.Watch.Look());
            commands.Add(statement.Command);
            _sent.Add(statement);
            (_next, _asked, _resultTypes) = (null, null, null);
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
        _asked = _next!.NeedsTypes ? await descriptions.AskAsync(session, Caller, _next) : StatementDescription.None;
        if (asksAll && MayFollowDdl)
            _resultTypes = await descriptions.AskResultsAsync(session, Encode(_next, _asked).ToCommand());
        BeingAsked = null;
    }

    public void Forget(SentStatement statement) => descriptions.Forget(Caller, statement.Statement);

    /// <summary>Remembers which columns of a result were of types that DDL can change.</summary>
    public void Remember(SentStatement statement, StatementResult result)
    {
        if (statement.ResultTypes is { AreLocal: true })
            return;
        var (known, types) = (statement.Known, result.AlterableTypes);
        if (!types.SequenceEqual(known.AlterableResults, ReferenceEqualityComparer.Instance))
            descriptions.Remember(Caller, statement.Statement, new StatementDescription(known.Parameters, types));
    }

    public void Dispose() => _referred.Dispose();

    private SentStatement? TryMake(StatementCall statement)
    {
        if (statement.Statement.LatestReferred >= results.Count)
            return null;

        var bound = _next ??= _referred.Resolve(statement.Statement);
        if (_asked is null && asksAll && (bound.NeedsTypes || MayFollowDdl))
            return null;
        var known = _asked ?? (asksAll ? null : descriptions.Find(Caller, bound)) ?? StatementDescription.None;
        TypeCheck? check = null;
        if (bound.NeedsTypes && _asked is null)
        {
            if (known.Parameters is null || (check = TypeCheck.For(bound, known.Parameters, _sent.Count)) is null)
                return null;
        }
        try
        {
            bound = Encode(bound, known);
        }
        catch (Failure) when (_asked is null)
        {
            // What is remembered of the types may no longer be so.
            return null;
        }
        return new SentStatement(statement, bound, bound.ToCommand(), known, IsFresh: _asked is not null)
        {
            Check = check,
            ResultTypes = _resultTypes,
            MayFollowDdl = MayFollowDdl,
        };
    }

    private static BoundStatement Encode(BoundStatement statement, StatementDescription known) =>
        statement.NeedsTypes ? statement.Encode(known.Parameters!) : statement;
}
