using System.Net;
using Gateway.Api.Dsns;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>Tests that types which callers create cost the gateway no more than its limits allow.</summary>
public sealed class TypeBoundsTests(TypeDatabase database) : IClassFixture<TypeDatabase>
{
    [Fact]
    public async Task TypesWithinTypes_AreLookedUpToADepth()
    {
        var types = Enumerable.Range(1, 200).Select(level => $"CREATE TYPE deep{level} AS (inner_one deep{level - 1}, n int)");
        await GatewayFixture.ExecuteAsync(database.Dsn, $"CREATE TYPE deep0 AS (n int); {string.Join("; ", types)}");

        (await QueryAsync("SELECT NULL::deep90 AS v")).Expect(HttpStatusCode.OK);
        (await QueryAsync("SELECT NULL::deep200 AS v")).ExpectProblem(422, "sql_rejected");
        (await QueryAsync("SELECT $1::deep200 IS NULL AS v", new { n = 1 })).ExpectProblem(422, "sql_rejected");
        (await QueryAsync("SELECT NULL::deep200::text AS v")).Expect(HttpStatusCode.OK);
    }

    /// <summary>An inner type that was created after its outer type is found last.</summary>
    [Fact]
    public async Task YoungerTypesWithinOlder_AreLookedUpToADepth()
    {
        var types = Enumerable.Range(0, 200).Select(level => $"CREATE TYPE young{level} AS (n int)");
        var attributes = Enumerable.Range(0, 199).Reverse().Select(level => $"ALTER TYPE young{level} ADD ATTRIBUTE inner_one young{level + 1}");
        await GatewayFixture.ExecuteAsync(database.Dsn, string.Join("; ", types.Concat(attributes)));

        (await QueryAsync("SELECT NULL::young110 AS v")).Expect(HttpStatusCode.OK);
        (await QueryAsync("SELECT NULL::young0 AS v")).ExpectProblem(422, "sql_rejected");
    }

    [Fact]
    public async Task ArraysOfDomainsOverArrays_AreLookedUpToADepth()
    {
        var domains = Enumerable.Range(1, 150).Select(level => $"CREATE DOMAIN nested{level} AS nested{level - 1}[]");
        await GatewayFixture.ExecuteAsync(database.Dsn, $"CREATE DOMAIN nested0 AS int; {string.Join("; ", domains)}");

        (await QueryAsync("SELECT ARRAY[NULL::nested30] AS v")).Expect(HttpStatusCode.OK);
        (await QueryAsync("SELECT ARRAY[NULL::nested150] AS v")).ExpectProblem(422, "sql_rejected");
    }

    [Fact]
    public async Task TypeOfManyColumns_IsLookedUpToANumber()
    {
        var columns = string.Join(", ", Enumerable.Range(0, 1500).Select(column => $"c{column} int"));
        var tables = Enumerable.Range(0, 8).Select(table => $"CREATE TABLE wide{table} ({columns})");
        var parts = string.Join(", ", Enumerable.Range(0, 8).Select(table => $"w{table} wide{table}"));
        await GatewayFixture.ExecuteAsync(database.Dsn, $"{string.Join("; ", tables)}; CREATE TYPE widest AS ({parts})");

        (await QueryAsync("SELECT NULL::wide0 AS v")).Expect(HttpStatusCode.OK);
        (await QueryAsync("SELECT NULL::widest AS v")).ExpectProblem(422, "sql_rejected");
        (await QueryAsync("SELECT $1::widest IS NULL AS v", new { w0 = new { c0 = 1 } })).ExpectProblem(422, "sql_rejected");
    }

    [Fact]
    public async Task TypesThatCallersMake_AreRememberedUpToABound()
    {
        const int Bound = 20_000;
        const int Types = 300;
        var names = Enumerable.Range(0, Types).Select(index => $"made{index}_{new string('x', 40)}").ToArray();
        await GatewayFixture.ExecuteAsync(database.Dsn, string.Join("; ", names.Select(name => $"CREATE TYPE {name} AS ENUM ('x')")));
        var oids = (await database.ReadAsync("SELECT oid FROM pg_type WHERE typname LIKE 'made%xxx'")).Select(row => uint.Parse(row[0]!)).ToArray();
        await using var source = new NpgsqlDataSourceBuilder(Dsn.Parse(database.Dsn).ConnectionString)
            .ConfigureTypeLoading(types => types.EnableTypeLoading(false)).Build();
        using var catalog = new TypeCatalog(SessionSource.Plain(source), TimeProvider.System, Bound);

        var some = await catalog.FindAsync(oids[..10], [], TestContext.Current.CancellationToken);
        Assert.All(oids[..10], oid => Assert.NotNull(catalog.Known(oid)));
        var all = await catalog.FindAsync(oids, [], TestContext.Current.CancellationToken);

        Assert.Equal(Types, all.Select(type => type.Name).Distinct().Count());
        Assert.InRange(oids.Count(oid => catalog.Known(oid) is not null), 0, (int)(Bound / TypeCatalog.SizeOf([some[0]])));
    }

    private Task<Answer> QueryAsync(string sql, params object[] parameters) =>
        database.Client.PostAsync("query", new { activityId = "test", sql, parameters, timeoutMs = 60_000 });
}
