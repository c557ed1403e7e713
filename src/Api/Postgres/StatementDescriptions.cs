using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Sql;
using Gateway.Api.Types;
using Gateway.Contracts;
using Microsoft.Extensions.Caching.Memory;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>What is known of a statement before it runs.</summary>
/// <param name="Parameters">The types of its parameters; null where they were never needed.</param>
/// <param name="AlterableResults">The types of its columns that DDL can change.</param>
internal sealed record StatementDescription(IReadOnlyList<DataType>? Parameters, IReadOnlyList<DataType> AlterableResults)
{
    public static StatementDescription None { get; } = new(null, []);

    /// <summary>All composites that must still be what they were.</summary>
    public CompositeWatch Watch { get; } = new((Parameters ?? []).Concat(AlterableResults));

    /// <summary>About the bytes that it takes.</summary>
    public long Size =>
        (16L * (Parameters?.Count ?? 0)) + TypeCatalog.SizeOf((Parameters ?? []).Concat(AlterableResults));
}

/// <summary>The types of a result's columns as they are in the transaction that asks.</summary>
/// <param name="Types">In the order of the columns.</param>
/// <param name="AreLocal">Whether some of them are so there only.</param>
internal sealed record ResultTypes(IReadOnlyList<DataType> Types, bool AreLocal);

/// <summary>
/// What one connection's server has said of statements: asked for when a caller's statement first comes with a
/// parameter whose text depends on its type, and remembered for that caller by the statement's text, so that the next
/// needs no round trip of its own. It is no more than a guess, since the types depend on the whole state of the
/// transaction: <see cref="TypeCheck"/> and <see cref="StatementDescription.Watch"/> find out in that transaction
/// whether it is right, and else it is asked for anew.
/// </summary>
internal sealed class StatementDescriptions(TypeCatalog types) : IDisposable
{
    private static readonly TimeSpan KeptUnused = TimeSpan.FromMinutes(10);

    /// <summary>Bytes of all that is remembered, the texts and what is known of them.</summary>
    public const int MostRemembered = 16 << 20;

    /// <summary>Bytes of one statement; a larger one is asked for each time.</summary>
    private const int LargestRemembered = MostRemembered / 16;

    /// <summary>In the order of the parameters; what is no type's name is 0.</summary>
    private const string FindDeclared =
        """
        SELECT coalesce(pg_catalog.to_regtype(declared.name)::pg_catalog.oid, 0)::pg_catalog.text
          FROM pg_catalog.json_array_elements_text(CAST($1 AS pg_catalog.json)) WITH ORDINALITY AS declared(name, place)
         ORDER BY declared.place
        """;

    private readonly MemoryCache _known = new(new MemoryCacheOptions { SizeLimit = MostRemembered });

    public StatementDescription? Find(string caller, BoundStatement statement) =>
        _known.TryGetValue(KeyOf(caller, statement), out StatementDescription? known) ? known : null;

    public void Remember(string caller, BoundStatement statement, StatementDescription description)
    {
        var key = KeyOf(caller, statement);
        var size = key.Size + description.Size + 400;
        if (size <= LargestRemembered)
            _known.Set(key, description, new MemoryCacheEntryOptions { Size = size, SlidingExpiration = KeptUnused });
        else
            _known.Remove(key);
    }

    public void Forget(string caller, BoundStatement statement) => _known.Remove(KeyOf(caller, statement));

    /// <summary>Asks the server of the types of a statement's parameters; nothing of the statement runs.</summary>
    /// <exception cref="PostgresException">The statement is wrong.</exception>
    /// <exception cref="Failure">A declared type is none of the database's.</exception>
    public async Task<StatementDescription> AskAsync(Session session, string caller, BoundStatement statement)
    {
        var declared = await FindDeclaredAsync(session, statement.DeclaredTypes);
        var oids = await session.Transaction.DescribeParametersAsync(statement.Sql.Text, [.. Enumerable.Range(0, statement.Values.Count)
            .Select(index => declared.ElementAtOrDefault(index))]);

        var description = new StatementDescription(
            await FindTypesAsync(session, oids), Find(caller, statement)?.AlterableResults ?? []);
        Remember(caller, statement, description);
        return description;
    }

    /// <summary>Asks the server of the types of a statement's columns; nothing of the statement runs.</summary>
    /// <exception cref="PostgresException">The statement is wrong.</exception>
    public async Task<ResultTypes> AskResultsAsync(Session session, NpgsqlBatchCommand statement)
    {
        var oids = await session.Transaction.DescribeResultAsync(statement);
        var found = (await FindTypesAsync(session, oids)).ToArray();
        // Where the transaction has not changed them, they are called what they are called elsewhere, whatever settings
        // it has.
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

    /// <summary>In the transaction itself, which may have created a type.</summary>
    private async Task<IReadOnlyList<DataType>> FindTypesAsync(Session session, IReadOnlyList<uint> oids)
    {
        var found = oids.Select(types.Known).ToArray();
        if (!found.Contains(null))
            return found!;
        await using var reader = await session.Transaction.ExecuteAsync([TypeCatalog.Query(oids.Where((_, index) => found[index] is null))]);
        var read = await TypeCatalog.ReadAsync(reader, session.Abandoning);
        return [.. oids.Select((oid, index) => found[index] ?? read.GetValueOrDefault(oid, TypeCatalog.Unknown))];
    }

    private static async Task<IReadOnlyList<uint>> FindDeclaredAsync(Session session, IReadOnlyList<string?> names)
    {
        if (!names.Any(name => name is not null))
            return [];
        var command = new NpgsqlBatchCommand(FindDeclared)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = JsonSerializer.Serialize(names.Select(name => name ?? "text")) } },
        };
        var oids = new List<uint>();
        try
        {
            await using var reader = await session.Transaction.ExecuteAsync([command]);
            while (await reader.ReadAsync(session.Abandoning))
                oids.Add(Oids.Parse(reader.GetString(0)));
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.SyntaxError or PostgresErrorCodes.InvalidName)
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

    private static Failure NoSuchType(string detail, Exception? cause = null) => new(ProblemCode.SqlError, detail, cause)
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
