using System.Text.Json;
using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Rows;
using Gateway.Contracts;
using Microsoft.Extensions.Caching.Memory;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>What is known of a statement before it runs.</summary>
/// <param name="Parameters">The types of its parameters; null where they were never needed.</param>
/// <param name="AlterableResults">The types of its columns that DDL can change.</param>
internal sealed record StatementDescription(IReadOnlyList<DataType>? Parameters, IReadOnlyList<DataType> AlterableResults)
{
    public static StatementDescription None { get; } = new(null, []);

    /// <summary>All composites that must still be what they were.</summary>
    public CompositeWatch Watch { get; } = new((Parameters ?? []).Concat(AlterableResults));
}

/// <summary>
/// What one connection's server has said of statements: asked for when a statement first comes with a parameter whose text
/// depends on its type, and remembered by the statement's text, so that the next needs no round trip of its own. What has
/// changed since shows as an error or by <see cref="StatementDescription.Watch"/>, and is asked for anew.
/// </summary>
internal sealed class StatementDescriptions(TypeCatalog types) : IDisposable
{
    /// <summary>
    /// What DDL changes shows as an error, save where the server takes a value of the old type for one of the new: what was made for
    /// json is text too.
    /// </summary>
    private static readonly TimeSpan Trusted = TimeSpan.FromSeconds(30);

    /// <summary>Characters of all statements together.</summary>
    private const int MostRemembered = 8 << 20;

    /// <summary>In the order of the parameters; what is no type's name is 0.</summary>
    private const string FindDeclared =
        """
        SELECT coalesce(pg_catalog.to_regtype(declared.name)::pg_catalog.oid, 0)::pg_catalog.text
          FROM pg_catalog.json_array_elements_text(CAST($1 AS pg_catalog.json)) WITH ORDINALITY AS declared(name, place)
         ORDER BY declared.place
        """;

    private readonly MemoryCache _known = new(new MemoryCacheOptions { SizeLimit = MostRemembered });

    public StatementDescription? Find(BoundStatement statement) =>
        _known.TryGetValue(KeyOf(statement), out StatementDescription? known) ? known : null;

    public void Remember(BoundStatement statement, StatementDescription description) =>
        _known.Set(KeyOf(statement), description, new MemoryCacheEntryOptions
        {
            Size = KeyOf(statement).Length + 64,
            AbsoluteExpirationRelativeToNow = Trusted,
        });

    public void Forget(BoundStatement statement) => _known.Remove(KeyOf(statement));

    /// <summary>Asks the server of the types of a statement's parameters; nothing of the statement runs.</summary>
    /// <exception cref="PostgresException">The statement is wrong.</exception>
    /// <exception cref="Failure">A declared type is none of the database's.</exception>
    public async Task<StatementDescription> AskAsync(Session session, BoundStatement statement)
    {
        var declared = await FindDeclaredAsync(session, statement.DeclaredTypes);
        var oids = await session.DescribeAsync(statement.Sql.Text, [.. Enumerable.Range(0, statement.Values.Count)
            .Select(index => declared.ElementAtOrDefault(index))]);

        var description = new StatementDescription(
            await FindTypesAsync(session, oids), Find(statement)?.AlterableResults ?? []);
        Remember(statement, description);
        return description;
    }

    public void Dispose() => _known.Dispose();

    /// <summary>In the transaction itself, which may have created a type.</summary>
    private async Task<IReadOnlyList<DataType>> FindTypesAsync(Session session, IReadOnlyList<uint> oids)
    {
        var found = oids.Select(types.Known).ToArray();
        if (!found.Contains(null))
            return found!;
        await using var reader = await session.ExecuteAsync(TypeCatalog.Query(oids.Where((_, index) => found[index] is null)));
        var read = await types.ReadAsync(reader, session.Abandoning);
        return [.. oids.Select((oid, index) => found[index] ?? read[oid])];
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
            await using var reader = await session.ExecuteAsync(command);
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

    private static string KeyOf(BoundStatement statement) => statement.DeclaredTypes.Count == 0
        ? statement.Sql.Text
        : $"{JsonSerializer.Serialize(statement.DeclaredTypes)} {statement.Sql.Text}";
}
