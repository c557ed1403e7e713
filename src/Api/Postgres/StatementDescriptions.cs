using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Sql;
using Gateway.Api.Types;
using Gateway.Contracts;
using Microsoft.Extensions.Caching.Memory;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>Represents the types of a statement, as far as they are known before it runs.</summary>
/// <param name="Parameters">The types of its parameters; null if they were never needed.</param>
/// <param name="AlterableResults">The types of its columns that DDL can change.</param>
internal sealed record StatementDescription(
    IReadOnlyList<DataType>? Parameters, IReadOnlyList<DataType> AlterableResults)
{
    public static StatementDescription None { get; } = new(null, []);

    /// <summary>Gets the check that all composite types are unchanged.</summary>
    public CompositeWatch Watch { get; } = new((Parameters ?? []).Concat(AlterableResults));

    /// <summary>Gets the approximate size in bytes.</summary>
    public long Size =>
        (16L * (Parameters?.Count ?? 0)) + TypeCatalog.SizeOf((Parameters ?? []).Concat(AlterableResults));
}

/// <summary>Represents the types of a result's columns in the transaction that asks.</summary>
/// <param name="Types">The types, in the order of the columns.</param>
/// <param name="AreLocal">Whether some of them are different outside of the transaction.</param>
internal sealed record ResultTypes(IReadOnlyList<DataType> Types, bool AreLocal);

/// <summary>
/// Caches the types that the server of a connection infers for statements. The server is asked when a caller first
/// sends a statement with a parameter whose text depends on its type. The types are cached for that caller by the
/// statement's text, so that the next request needs no extra round trip.
/// </summary>
/// <remarks>
/// A cached type is only a guess, because the types depend on the whole state of the transaction. In that transaction,
/// <see cref="TypeCheck"/> and <see cref="StatementDescription.Watch"/> check whether it is right; if not, the server
/// is asked again.
/// </remarks>
internal sealed class StatementDescriptions(TypeCatalog types) : IDisposable
{
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(10);

    /// <summary>Maximum size of the cache: the statements' texts and their types.</summary>
    public const int MaxCacheBytes = 16 << 20;

    /// <summary>Maximum size of one entry. For a larger one, the server is asked each time.</summary>
    private const int MaxEntryBytes = MaxCacheBytes / 16;

    /// <summary>
    /// Finds the OIDs of the declared types, in the order of the parameters; 0 if a name is no type's.
    /// </summary>
    private const string FindDeclared =
        """
        SELECT coalesce(pg_catalog.to_regtype(declared.name)::pg_catalog.oid, 0)::pg_catalog.text
          FROM pg_catalog.json_array_elements_text(CAST($1 AS pg_catalog.json)) WITH ORDINALITY AS declared(name, place)
         ORDER BY declared.place
        """;

    private readonly MemoryCache _known = new(new MemoryCacheOptions { SizeLimit = MaxCacheBytes });

    public StatementDescription? Find(string caller, BoundStatement statement) =>
        _known.TryGetValue(KeyOf(caller, statement), out StatementDescription? known) ? known : null;

    public void Remember(string caller, BoundStatement statement, StatementDescription description)
    {
        var key = KeyOf(caller, statement);
        var size = key.Size + description.Size + 400;
        if (size <= MaxEntryBytes)
            _known.Set(key, description, new MemoryCacheEntryOptions { Size = size, SlidingExpiration = IdleTimeout });
        else
            _known.Remove(key);
    }

    public void Forget(string caller, BoundStatement statement) => _known.Remove(KeyOf(caller, statement));

    /// <summary>
    /// Asks the server for the types of a statement's parameters, and caches them. The statement does not run.
    /// </summary>
    /// <exception cref="PostgresException">The statement is wrong.</exception>
    /// <exception cref="Failure">The database does not have a declared type.</exception>
    public async Task<StatementDescription> AskAsync(Session session, string caller, BoundStatement statement)
    {
        var declared = await FindDeclaredAsync(session, statement.DeclaredTypes);
        var oids = await session.Transaction.DescribeParametersAsync(
            statement.Sql.Text,
            [.. Enumerable.Range(0, statement.Values.Count).Select(index => declared.ElementAtOrDefault(index))]);

        var description = new StatementDescription(
            await FindTypesAsync(session, oids), Find(caller, statement)?.AlterableResults ?? []);
        Remember(caller, statement, description);
        return description;
    }

    /// <summary>Asks the server for the types of a statement's columns. The statement does not run.</summary>
    /// <exception cref="PostgresException">The statement is wrong.</exception>
    public async Task<ResultTypes> AskResultsAsync(Session session, NpgsqlBatchCommand statement)
    {
        var oids = await session.Transaction.DescribeResultAsync(statement);
        var found = (await FindTypesAsync(session, oids)).ToArray();
        // A type that the transaction has not changed gets the name from outside of it: the transaction's settings may
        // change how names are printed.
        var elsewhere = await types.FindAsync(oids, [], session.Abandoning);
        var areLocal = false;
        for (var i = 0; i < found.Length; i++)
        {
            if (CompositeWatch.AreSame(found[i], elsewhere[i]))
                found[i] = elsewhere[i];
            else
                areLocal = true;
        }
        return new ResultTypes(found, areLocal);
    }

    public void Dispose() => _known.Dispose();

    /// <summary>
    /// Returns the types. Those that are not cached are read in the transaction, which may have created them.
    /// </summary>
    private async Task<IReadOnlyList<DataType>> FindTypesAsync(Session session, IReadOnlyList<uint> oids)
    {
        var found = oids.Select(types.Known).ToArray();
        if (!found.Contains(null))
            return found!;
        var query = TypeCatalog.Query(oids.Where((_, index) => found[index] is null));
        await using var reader = await session.Transaction.ExecuteAsync([query]);
        var read = await TypeCatalog.ReadAsync(reader, session.Abandoning);
        return [.. oids.Select((oid, index) => found[index] ?? read.GetValueOrDefault(oid, TypeCatalog.Unknown))];
    }

    private static async Task<IReadOnlyList<uint>> FindDeclaredAsync(Session session, IReadOnlyList<string?> names)
    {
        if (!names.Any(name => name is not null))
            return [];
        var json = JsonSerializer.Serialize(names.Select(name => name ?? "text"));
        var command = new NpgsqlBatchCommand(FindDeclared)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = json } },
        };
        var oids = new List<uint>();
        try
        {
            await using var reader = await session.Transaction.ExecuteAsync([command]);
            while (await reader.ReadAsync(session.Abandoning))
                oids.Add(Oids.Parse(reader.GetString(0)));
        }
        catch (PostgresException error)
            when (error.SqlState is PostgresErrorCodes.SyntaxError or PostgresErrorCodes.InvalidName)
        {
            throw NoSuchType(error.MessageText, error);
        }
        for (var i = 0; i < oids.Count; i++)
        {
            if (oids[i] == 0)
                throw NoSuchType($"parameterTypes names the type \"{names[i]}\", which the database does not have.");
            if (names[i] is null)
                oids[i] = 0;
        }
        return oids;
    }

    private static Failure NoSuchType(string detail, Exception? cause = null) =>
        new(ProblemCode.SqlError, detail, cause)
        {
            Refusal = new PostgresRefusal(PostgresErrorCodes.UndefinedObject),
        };

    private static Key KeyOf(string caller, BoundStatement statement) => new(
        caller,
        statement.DeclaredTypes.Count == 0 ? "" : JsonSerializer.Serialize(statement.DeclaredTypes),
        statement.Sql.Text);

    private sealed record Key(string Caller, string DeclaredTypes, string Sql)
    {
        public long Size => 2L * (Caller.Length + DeclaredTypes.Length + Sql.Length);
    }
}
