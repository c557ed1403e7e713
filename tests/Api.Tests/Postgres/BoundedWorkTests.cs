using System.Text;
using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Sql;
using Gateway.Api.Types;
using Npgsql;

namespace Gateway.Api.Tests.Postgres;

/// <summary>
/// Tests that the gateway's work for a request is linear in its size: measured in allocated bytes, or counted.
/// </summary>
public sealed class BoundedWorkTests
{
    private static readonly DataType Text = new(25, "text", JsonForm.Text);

    [Fact]
    public void LongNameOfAParameterWithManyElements_IsNotWrittenForEach()
    {
        var name = new string('n', 100_000);
        var elements = string.Join(", ", Enumerable.Repeat("\"x\", [\"y\", null]", 2_000));

        var allocated = Allocated(() => Encode(name, $"[{elements}]", new DataType(0, "text[]", JsonForm.Array) { Element = Text }));

        Assert.InRange(allocated, 0, 20_000_000);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(1600)]
    public void TextOfAWideComposite_HasABound(int attributes)
    {
        var type = ArrayOf(Composite([.. Enumerable.Range(0, attributes).Select(index => new TypeAttribute($"a{index}", Text))]));

        var faults = Encode("x", $"[{string.Join(", ", Enumerable.Repeat("{}", 20_000))}]", type);

        Assert.Equal(attributes > 2 ? 1 : 0, faults.Count);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(20)]
    public void QuotesOfNestedComposites_HaveABound(int depth)
    {
        var (type, json) = (Text, JsonSerializer.Serialize(new string('"', 100)));
        for (var level = 0; level < depth; level++)
            (type, json) = (Composite([new TypeAttribute("a", type)]), $$"""{"a": {{json}}}""");

        RequestFaults? faults = null;
        var allocated = Allocated(() => faults = Encode("x", json, type));

        Assert.Equal(depth > 3 ? 1 : 0, faults!.Count);
        Assert.InRange(allocated, 0, 50_000_000);
    }

    [Fact]
    public void PositionsThatAreNotUsed_AreNotListed()
    {
        SqlText? text = null;
        var allocated = Allocated(() => text = SqlText.Scan("SELECT $65535", PlaceholderStyle.Positional));

        Assert.InRange(allocated, 0, 30_000);
        Assert.Equal(65_534, text!.UnusedPositions.Count());
    }

    [Fact]
    public void ErrorOfAStatementWithManyParameters_IsShownWithoutLookingAtThem()
    {
        var sql = $"SELECT {string.Join(", ", Enumerable.Range(1, 8_000).Select(index => $"${index}::text /* {new string('x', 100)} */"))}, 1/0";
        using var values = JsonDocument.Parse($"[{string.Join(", ", Enumerable.Repeat("\"abc\"", 8_000))}]");
        var statement = ParameterBinder.Bind(sql, values.RootElement, null, null, "", new RequestFaults());
        var error = new PostgresException("division by zero", "ERROR", "ERROR", "22012", detail: "\"x\"", where: "\"y\"");
        ErrorTexts.WithoutValues(error, [statement]);

        var allocated = Allocated(() => Assert.Equal("division by zero", ErrorTexts.WithoutValues(error, [statement]).Message));

        Assert.InRange(allocated, 0, 20_000);
    }

    [Theory]
    [InlineData(1, 1_000_000, true)]
    [InlineData(60, 1_000_000, true)]
    [InlineData(200, 1_000_000, true)]
    [InlineData(1_000, 1_000_000, false)]
    [InlineData(9_000, 1_000_000, false)]
    [InlineData(6_000, 10, true)]
    [InlineData(6_000, 1_000, true)]
    public void DepthTimesSizeOfJson_HasABound(int depth, int size, bool isCheap)
    {
        var json = $"{new string('[', depth)}1{new StringBuilder(2 * size).Insert(0, ",1", size)}{new string(']', depth)}";

        Assert.Equal(isCheap, JsonNesting.IsCheap(Encoding.UTF8.GetBytes(json), 10_000));
    }

    [Fact]
    public void ManyNestedNeighbours_AreCheap()
    {
        var json = $"[{string.Join(',', Enumerable.Repeat("[[[[1, 2], {\"a\": [3]}]]]", 50_000))}]";

        Assert.True(JsonNesting.IsCheap(Encoding.UTF8.GetBytes(json), 10_000));
    }

    [Theory]
    [InlineData("""\ud83d\ude00""", true)]
    [InlineData("""a\ud83d\ude00\n\\ud800\"é""", true)]
    [InlineData("""\ud800""", false)]
    [InlineData("""\udc00""", false)]
    [InlineData("""\ud800\ud800\udc00""", false)]
    [InlineData("""\ud800x\udc00""", false)]
    [InlineData("""\ud800\n""", false)]
    [InlineData("""\udc00\ud800""", false)]
    [InlineData("""\\\ud800""", false)]
    [InlineData("""\\\\ud800""", true)]
    public void LoneSurrogate_IsFoundWithoutAnException(string escaped, bool isText)
    {
        using var json = JsonDocument.Parse($$"""{"{{escaped}}": "{{escaped}}"}""");
        var member = json.RootElement.EnumerateObject().Single();

        Assert.Equal(isText, JsonText.TryReadName(member, out var name));
        Assert.Equal(isText, JsonText.TryRead(member.Value, out var text, out _));
        Assert.Equal(isText ? member.Value.GetString() : "", text);
        Assert.Equal(text, name);
    }

    private static DataType Composite(IReadOnlyList<TypeAttribute> attributes) =>
        new(1, "composite", JsonForm.Composite) { Composite = new CompositeType(1, "composite", attributes) };

    private static DataType ArrayOf(DataType element) => new(2, "composite[]", JsonForm.Array) { Element = element };

    private static RequestFaults Encode(string name, string json, DataType type)
    {
        using var parameters = JsonDocument.Parse($$"""{"{{name}}": {{json}}}""");
        var faults = new RequestFaults();
        var statement = ParameterBinder.Bind($"SELECT :{name}", parameters.RootElement, null, null, "", faults);
        try
        {
            statement.Encode([type]);
        }
        catch (Failure failure)
        {
            Assert.All(failure.Faults!, faults.Add);
        }
        return faults;
    }

    private static long Allocated(Action work)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        work();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
