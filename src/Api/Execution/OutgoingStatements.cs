using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Api.Sql;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>A statement as it is sent to the server.</summary>
/// <param name="Call">The statement of the request.</param>
/// <param name="Statement">The statement with its values as text.</param>
/// <param name="Command">The command; Npgsql leaves its command tag there.</param>
/// <param name="Known">The statement's types, as far as they are known.</param>
/// <param name="IsFresh">Whether the types were asked for in this transaction, and do not come from the cache.</param>
internal sealed record OutgoingStatement(
    StatementCall Call, BoundStatement Statement, NpgsqlBatchCommand Command, StatementDescription Known, bool IsFresh)
{
    /// <summary>Gets the check that goes before it, if its values were made for cached types.</summary>
    public TypeCheck? Check { get; init; }

    /// <summary>Gets the types of its columns, if they were asked for in this transaction.</summary>
    public ResultTypes? ResultTypes { get; init; }

    /// <summary>
    /// Gets whether an earlier statement of the transaction may have created or altered a type, which other sessions do
    /// not see.
    /// </summary>
    public bool MayFollowDdl { get; init; }

    /// <summary>Gets the commands of the statement, in order.</summary>
    public IEnumerable<NpgsqlBatchCommand> Commands
    {
        get
        {
            foreach (var command in Check?.Commands ?? [])
                yield return command;
            if (FollowsLook)
                yield return Known.Watch.Look();
            yield return Command;
        }
    }

    /// <summary>Gets whether a look at the catalog goes before it, since cached types may be out of date.</summary>
    public bool FollowsLook => !IsFresh && !Known.Watch.IsEmpty;

    /// <summary>Returns whether its check failed: the types have changed, and the statement has not run.</summary>
    public bool IsStale(PostgresException error) =>
        Check is { } check && check.Has(error.BatchCommand) && error.SqlState[..2] is "0A" or "22" or "42" or "XX";
}

/// <summary>
/// The statements of a call on their way to the server. A round trip takes as many as do not need the results of
/// earlier ones, or types that are not known yet.
/// </summary>
/// <param name="call">The call.</param>
/// <param name="results">The results so far; later results are added to it.</param>
/// <param name="descriptions">The cache of statements' types.</param>
/// <param name="asksAll">
/// Whether to ask the server for all types, because cached types were wrong in the last run.
/// </param>
/// <param name="memory">Counts the memory of references to results.</param>
internal sealed class OutgoingStatements(
    ActivityCall call, IReadOnlyList<StatementResult> results, StatementDescriptions descriptions, bool asksAll,
    MemoryReservation memory)
    : IDisposable
{
    private readonly List<OutgoingStatement> _taken = [];

    // Created on first use: most calls have no references.
    private ReferredResults? _referred;

    // The next statement with its references resolved, and its types, if the server was asked.
    private BoundStatement? _next;
    private StatementDescription? _asked;
    private ResultTypes? _resultTypes;

    /// <summary>Gets the statements that were taken for a round trip, in order: those of the current one too.</summary>
    public IReadOnlyList<OutgoingStatement> Taken => _taken;

    public bool AreAllTaken => _taken.Count == call.Statements.Count;

    /// <summary>Gets whether all are queries, which can change the session only by functions that they call.</summary>
    public bool AreQueries => _taken.TrueForAll(taken => taken.Statement.Sql.Kind == StatementKind.Query);

    /// <summary>Gets the statement whose types the server is being asked for; null if it is not.</summary>
    public BoundStatement? BeingAsked { get; private set; }

    private string Caller => call.Activity.Caller;

    /// <summary>
    /// Whether a statement runs before the next one that may change types. A READ ONLY transaction can't.
    /// </summary>
    private bool MayFollowDdl => call.Mode.Access == Access.ReadWrite && _taken.Count > 0;

    /// <summary>
    /// Takes the statements of the next round trip: up to a statement that refers to a result which has not come yet,
    /// or whose types the server must be asked for first.
    /// </summary>
    /// <param name="deadline">Checked between two statements, since resolving references may take time.</param>
    /// <returns>The number of statements.</returns>
    /// <exception cref="Failure">A parameter has no value, or not one of its type; or the deadline has
    /// passed.</exception>
    public int Take(Deadline deadline)
    {
        var before = _taken.Count;
        while (!AreAllTaken && TryMake(call.Statements[_taken.Count]) is { } statement)
        {
            if (deadline.Token.IsCancellationRequested)
                throw deadline.Ended("resolving $ref parameters");
            _taken.Add(statement);
            (_next, _asked, _resultTypes) = (null, null, null);
        }
        return _taken.Count - before;
    }

    /// <summary>
    /// Has the only statement that was taken use a prepared query of the session, or be prepared. If it is prepared
    /// already, its types were checked then, and need not be checked again.
    /// </summary>
    public void UsePrepared(PreparedQueries queries)
    {
        if (queries.UseForQuery(_taken[0].Command, _taken[0].Statement.TypeOids))
            _taken[0] = _taken[0] with { Check = null };
    }

    /// <summary>
    /// Asks the server for the types of the next statement. All statements before it have run by now, and may have
    /// created its objects.
    /// </summary>
    /// <exception cref="PostgresException">The statement is wrong.</exception>
    /// <exception cref="Failure">The database does not have a declared type.</exception>
    public async Task AskAsync(Session session)
    {
        BeingAsked = _next;
        _asked = _next!.NeedsTypes ? await descriptions.AskAsync(session, Caller, _next) : StatementDescription.None;
        if (asksAll && MayFollowDdl)
            _resultTypes = await descriptions.AskResultsAsync(session, Encode(_next, _asked).ToCommand());
        BeingAsked = null;
    }

    /// <summary>Removes the statement's types from the cache.</summary>
    public void Forget(OutgoingStatement statement) => descriptions.Forget(Caller, statement.Statement);

    /// <summary>Adds to the cache which columns of a result have types that DDL can change.</summary>
    public void Remember(OutgoingStatement statement, StatementResult result)
    {
        if (statement.ResultTypes is { AreLocal: true })
            return;
        var (known, types) = (statement.Known, result.AlterableTypes);
        if (!types.SequenceEqual(known.AlterableResults, ReferenceEqualityComparer.Instance))
            descriptions.Remember(Caller, statement.Statement, new StatementDescription(known.Parameters, types));
    }

    public void Dispose() => _referred?.Dispose();

    private OutgoingStatement? TryMake(StatementCall statement)
    {
        if (statement.Statement.LatestReferred >= results.Count)
            return null;

        var bound = _next ??= Resolve(statement.Statement);
        if (_asked is null && asksAll && (bound.NeedsTypes || MayFollowDdl))
            return null;
        var known = _asked ?? (asksAll ? null : descriptions.Find(Caller, bound)) ?? StatementDescription.None;
        TypeCheck? check = null;
        if (bound.NeedsTypes && _asked is null)
        {
            if (known.Parameters is null || (check = TypeCheck.For(bound, known.Parameters, _taken.Count)) is null)
                return null;
        }
        try
        {
            bound = Encode(bound, known);
        }
        catch (Failure) when (_asked is null)
        {
            // The cached types may be out of date.
            return null;
        }
        return new OutgoingStatement(statement, bound, bound.ToCommand(), known, IsFresh: _asked is not null)
        {
            Check = check,
            ResultTypes = _resultTypes,
            MayFollowDdl = MayFollowDdl,
        };
    }

    private BoundStatement Resolve(BoundStatement statement) => statement.References.Count == 0
        ? statement
        : (_referred ??= new ReferredResults(results, memory)).Resolve(statement);

    private static BoundStatement Encode(BoundStatement statement, StatementDescription known) =>
        statement.NeedsTypes ? statement.Encode(known.Parameters!) : statement;
}
