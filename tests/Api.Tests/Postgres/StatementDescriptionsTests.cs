using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Api.Sql;
using Gateway.Api.Types;
using Npgsql;

namespace Gateway.Api.Tests.Postgres;

/// <summary>
/// Tests that the cache of statement descriptions is separate for each caller, and limited by its memory.
/// </summary>
public sealed class StatementDescriptionsTests : IDisposable
{
    private readonly NpgsqlDataSource _nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1");
    private readonly TypeCatalog _types;
    private readonly StatementDescriptions _descriptions;

    public StatementDescriptionsTests()
    {
        _types = new TypeCatalog(SessionSource.Plain(_nowhere), TimeProvider.System);
        _descriptions = new StatementDescriptions(_types);
    }

    [Fact]
    public void AnotherCallersOrAnotherText_IsNotFound()
    {
        var description = new StatementDescription([Composite(1, 2)], []);
        _descriptions.Remember("one", Statement("SELECT $1"), description);

        Assert.Same(description, _descriptions.Find("one", Statement("SELECT $1")));
        Assert.Null(_descriptions.Find("other", Statement("SELECT $1")));
        Assert.Null(_descriptions.Find("one", Statement("SELECT  $1")));
        Assert.Null(_descriptions.Find("one", Statement("SELECT $1", "int[]")));
        Assert.Null(_descriptions.Find("one", Statement("SELECT $1", [null])));
    }

    [Fact]
    public void WideTypes_AreRememberedWithinTheBound()
    {
        var statements = Enumerable.Range(0, 300).Select(index => Statement($"SELECT $1 /* {index} */")).ToArray();
        foreach (var (index, statement) in statements.Index())
            _descriptions.Remember("caller", statement, new StatementDescription([Composite((uint)index, 1600)], []));

        var kept = statements.Select(statement => _descriptions.Find("caller", statement)).OfType<StatementDescription>().ToArray();

        Assert.NotEmpty(kept);
        Assert.InRange(kept.Sum(description => description.Size), 1, StatementDescriptions.MaxCacheBytes);
    }

    [Fact]
    public void TypeThatIsTooWide_IsNotRemembered()
    {
        var wide = Enumerable.Range(0, 40).Select(index => Composite((uint)index, 1600)).ToArray();

        _descriptions.Remember("caller", Statement("SELECT $1"), new StatementDescription([Composite(1, 1)], []));
        _descriptions.Remember("caller", Statement("SELECT $1"), new StatementDescription(wide, []));

        Assert.Null(_descriptions.Find("caller", Statement("SELECT $1")));
    }

    /// <summary>The counted size is the real size, within a factor that any estimate may be wrong by.</summary>
    [Fact]
    public void Size_IsAboutWhatItTakes()
    {
        StatementDescription Make() => new([Composite(1, 1600)], [Composite(2, 1600)]);
        _ = Make();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var description = Make();
        var taken = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.InRange(description.Size, taken / 4, taken * 4);
    }

    [Fact]
    public void TypesWithMoreWaysThroughThemThanCanBeWalked_AreWalkedOnce()
    {
        var type = Composite(1, 3);
        for (var level = 2u; level <= 90; level++)
            type = Of(level, Enumerable.Repeat(type, 30));

        var description = new StatementDescription([type], [type]);

        Assert.InRange(description.Size, 90 * 30 * 50, 90 * 30 * 500);
        Assert.True(CompositeWatch.AreSame(type, type));
    }

    public void Dispose()
    {
        _descriptions.Dispose();
        _types.Dispose();
        _nowhere.Dispose();
    }

    private static DataType Composite(uint oid, int attributes) =>
        Of(oid, Enumerable.Range(0, attributes).Select(_ => new DataType(23, "integer", JsonForm.Number)));

    private static DataType Of(uint oid, IEnumerable<DataType> attributes) => new(100_000 + oid, $"public.composite_{oid}", JsonForm.Composite)
    {
        Composite = new CompositeType(
            100_000 + oid, $"2200.composite_{oid}", [.. attributes.Select((type, index) => new TypeAttribute($"an_attribute_of_it_{index}", type))]),
    };

    private static BoundStatement Statement(string sql, params string?[] types)
    {
        var faults = new RequestFaults();
        var declared = types.Length == 0 ? (JsonElement?)null : JsonSerializer.SerializeToElement(types);
        var statement = ParameterBinder.Bind(sql, JsonElement.Parse("[[1]]"), declared, null, "", faults);
        Assert.Equal(0, faults.Count);
        return statement;
    }
}
