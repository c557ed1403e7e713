using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Gateway.Client.Tests;

/// <summary>Tests .NET values as a statement's parameters.</summary>
public sealed class ParameterTests
{
    private sealed record Settings(string Theme, bool IsDark);

    private sealed record Filter([property: JsonPropertyName("since")] DateOnly CreatedAfter, int[] Ids);

    [Fact]
    public void Array_IsByPosition()
    {
        Assert.Equal("""[1,"x",null,[1,2]]""", Text(new object?[] { 1, "x", null, new[] { 1, 2 } }));
        Assert.Equal("[1,2]", Text(new List<long> { 1, 2 }));
        Assert.Equal("[]", Text(Array.Empty<object>()));
    }

    [Fact]
    public void Object_IsByItsMembersOwnNames()
    {
        Assert.Equal("""{"userId":1,"Email":"x"}""", Text(new { userId = 1, Email = "x" }));
        Assert.Equal("""{"since":"2026-01-01","Ids":[1]}""", Text(new Filter(new DateOnly(2026, 1, 1), [1])));
    }

    [Fact]
    public void Dictionary_IsByItsKeys()
    {
        Assert.Equal("""{"userId":1,"e":null}""", Text(new Dictionary<string, object?> { ["userId"] = 1, ["e"] = null }));
        Assert.Equal("""{"a":1}""", Text(JsonElement.Parse("""{"a":1}""")));
        Assert.Equal("[1]", Text(new JsonArray(1)));
    }

    [Fact]
    public void MembersValues_AreWrittenAsRowsAreRead()
    {
        Assert.Equal("""{"settings":{"theme":"dark","is_dark":true}}""", Text(new { settings = new Settings("dark", true) }));
    }

    [Fact]
    public void Values_AreWrittenAsPostgresReadsThem()
    {
        Assert.Equal("[1.10]", Text(new[] { 1.10m }));
        Assert.Equal("[9007199254740993]", Text(new[] { 9007199254740993 }));
        Assert.Equal("""["\\x00ff"]""", Text(new object[] { new byte[] { 0, 255 } }));
        Assert.Equal("""["NaN"]""", Text(new[] { double.NaN }));
        Assert.Equal("""["2026-01-02T03:04:05Z"]""", Text(new[] { new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc) }));
        Assert.Equal("""["23:59:00"]""", Text(new[] { new TimeOnly(23, 59) }));
    }

    [Theory]
    [InlineData(0, "00:00:00")]
    [InlineData(93784.5, "1 days 02:03:04.5")]
    [InlineData(-93784.5, "-1 days -02:03:04.5")]
    [InlineData(-1, "-00:00:01")]
    public void TimeSpan_IsAnInterval(double seconds, string expected)
    {
        Assert.Equal($"[\"{expected}\"]", Text(new[] { TimeSpan.FromSeconds(seconds) }));
    }

    [Fact]
    public void ScalarOrString_IsNoParameters()
    {
        Assert.Contains("pass an array", Assert.Throws<ArgumentException>(() => Text("x")).Message);
        Assert.Throws<ArgumentException>(() => Text(1));
    }

    private static string Text(object parameters) => StatementParameters.From(parameters).GetRawText();
}
