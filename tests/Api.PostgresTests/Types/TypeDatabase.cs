using System.Text;
using Npgsql;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>
/// Provides a database with every type that the server can have, and a gateway on it. The offset of its time zone had
/// seconds for a long time.
/// </summary>
public sealed class TypeDatabase(GatewayFixture server) : IAsyncLifetime
{
    private readonly List<string> _extensions = [];
    private RunningGateway? _gateway;

    public string Dsn { get; private set; } = "";

    public GatewayClient Client => _gateway!.Client;

    /// <summary>Gets the <see cref="TypeSchema.Extensions"/> that this server has.</summary>
    public IReadOnlyList<string> Extensions => _extensions;

    /// <summary>Gets the values of the database, by kind.</summary>
    internal IReadOnlyDictionary<string, TypeValue[]> Kinds { get; private set; } = TypeValues.Kinds;

    public async ValueTask InitializeAsync()
    {
        Dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using (var connection = await GatewayFixture.OpenAsync(Dsn))
        {
            await ExecuteAsync(connection, $"ALTER DATABASE \"{connection.Database}\" SET timezone = 'Africa/Monrovia'");
            await ExecuteAsync(connection, TypeSchema.Sql);
            foreach (var extension in TypeSchema.Extensions)
            {
                if (!await IsAvailableAsync(connection, extension))
                    continue;
                await ExecuteAsync(connection, $"CREATE EXTENSION IF NOT EXISTS {extension} CASCADE");
                _extensions.Add(extension);
            }
        }
        Kinds = TypeValues.Kinds
            .Append(new("extensions", [.. TypeValues.ExtensionKinds.Where(kind => _extensions.Contains(kind.Key)).SelectMany(kind => kind.Value)]))
            .ToDictionary(kind => kind.Key, kind => TypeValues.WithNullsAndArrays(kind.Value).ToArray());
        // Some of the extensions keep state, and each request would get a new session.
        _gateway = await RunningGateway.StartAsync($"--DSN={Dsn}", "--Gateway:Connections:default:ReuseSessions=true");
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
    }

    /// <summary>Opens a session directly on the server.</summary>
    internal Task<NpgsqlConnection> OpenAsync() => GatewayFixture.OpenAsync(Dsn);

    internal static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Reads rows of text columns directly from the server.</summary>
    internal Task<List<string?[]>> ReadAsync(string sql) => ReadAsync(Dsn, sql);

    /// <summary>Reads rows of text columns.</summary>
    internal static async Task<List<string?[]>> ReadAsync(string dsn, string sql)
    {
        await using var connection = await GatewayFixture.OpenAsync(dsn);
        await using var command = new NpgsqlCommand(sql, connection) { AllResultTypesAreUnknown = true };
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string?[]>();
        while (await reader.ReadAsync())
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(column => reader.IsDBNull(column) ? null : reader.GetString(column))]);
        return rows;
    }

    /// <summary>Returns how PostgreSQL itself prints each value, in the order of the values.</summary>
    internal async Task<List<Printed>> PrintAsync(IEnumerable<TypeValue> values)
    {
        var sql = new StringBuilder("SELECT * FROM (");
        foreach (var (index, value) in values.Index())
        {
            sql.Append(index > 0 ? " UNION ALL " : "")
                .Append($"SELECT {index} AS n, to_json(v)::text, base_of(pg_typeof(v))::regtype FROM (SELECT {value.Sql} AS v) AS value");
        }
        return [.. (await ReadAsync($"{sql}) AS printed ORDER BY n")).Select(row => new Printed(row[1], row[2]!))];
    }

    private static async Task<bool> IsAvailableAsync(NpgsqlConnection connection, string extension)
    {
        await using var command = new NpgsqlCommand("SELECT count(*) FROM pg_available_extensions WHERE name = $1", connection)
        {
            Parameters = { new() { Value = extension } },
        };
        return (long)(await command.ExecuteScalarAsync())! > 0;
    }
}

/// <param name="Json">The output of <c>to_json</c>; null for NULL.</param>
/// <param name="Type">The output of <c>format_type</c>; for a domain, that of the type under it.</param>
internal sealed record Printed(string? Json, string Type)
{
    /// <summary>Gets whether the type's text is JSON.</summary>
    public bool IsJson => Type is "json" or "jsonb";
}
