using System.Globalization;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Api.Replay;

namespace Gateway.Api.Tests.Replay;

public sealed class RequestHashTests
{
    private const string Order =
        """{"activityId": "a", "sql": "INSERT INTO t VALUES ($1, $2)", "parameters": [1.10, {"b": [1, 2], "a": "é/"}], "expect": {"rowCount": 1}}""";

    private const string Transfer =
        """{"activityId": "a", "statements": [{"sql": "SELECT $1", "parameters": [1]}, {"sql": "SELECT 2", "expect": {"rowCount": 1}}]}""";

    private static readonly Config Runs = Config.QuickThrowOnFailure.WithMaxTest(500);

    [Theory]
    // In another order, also within a parameter.
    [InlineData(Order, """{"expect": {"rowCount": 1}, "parameters": [1.10, {"a": "é/", "b": [1, 2]}], "sql": "INSERT INTO t VALUES ($1, $2)"}""")]
    [InlineData(Order, """{"activityId":"a","sql":"INSERT INTO t VALUES ($1, $2)","parameters":[1.10,{"b":[1,2],"a":"é/"}],"expect":{"rowCount":1}}""")]
    [InlineData(Order, """{"s\u0071l": "\u0049NSERT INTO t VALUES ($1, $2)", "parameters": [1.10, {"\u0062": [1, 2], "a": "\u00e9\/"}], "expect": {"rowCount": 1}}""")]
    // Who asks, how patiently and how often.
    [InlineData(Order, """{"activityId": "b", "attempt": 2, "connection": "default", "timeoutMs": 1, "delivery": "exactly-once", "sql": "INSERT INTO t VALUES ($1, $2)", "parameters": [1.10, {"b": [1, 2], "a": "é/"}], "expect": {"rowCount": 1}}""")]
    [InlineData("""{"sql": "SELECT 1"}""", """{"sql": "SELECT 1", "parameters": [], "rowFormat": "object"}""")]
    [InlineData("""{"sql": "SELECT 1"}""", """{"sql": "SELECT 1", "parameters": null}""")]
    [InlineData("""{"sql": "SELECT 1"}""", """{"sql": "SELECT 1", "parameterTypes": [], "numbers": "exact"}""")]
    [InlineData("""{"sql": "SELECT :a, :b", "parameterTypes": {"a": "int", "b": null}}""", """{"parameterTypes": {"b": null, "a": "int"}, "sql": "SELECT :a, :b"}""")]
    [InlineData("""{"sql": "SELECT 1"}""", """{"sql": "SELECT 1", "parameters": [ ]}""")]
    [InlineData("""{"sql": "SELECT 1"}""", """{"sql": "SELECT 1", "parameters": {}, "rowFormat": "\u006fbject"}""")]
    [InlineData("""{"sql": "SELECT $1", "parameters": [{"\ud800": 1, "a": 2}]}""", """{"sql": "SELECT $1", "parameters": [{"a": 2, "\ud800": 1}]}""")]
    [InlineData(Transfer, """{"readOnly": false, "deferrable": false, "isolation": "read committed", "statements": [{"parameters": [1], "sql": "SELECT $1", "rowFormat": "object"}, {"sql": "SELECT 2", "parameters": [], "expect": {"rowCount": 1}}]}""")]
    public void WhatChangesNeitherEffectNorAnswer_IsLeftOut(string body, string other) =>
        Assert.Equal(Hash(body), Hash(other));

    [Theory]
    [InlineData(Order, "1.10", "1.1")]
    [InlineData(Order, "1.10", "\"1.10\"")]
    [InlineData(Order, "1.10", "null")]
    [InlineData(Order, "INSERT INTO", "INSERT  INTO")]
    [InlineData(Order, "[1, 2]", "[2, 1]")]
    [InlineData(Order, "[1, 2]", "[[1, 2]]")]
    [InlineData(Order, "\"b\"", "\"B\"")]
    [InlineData(Order, "\"rowCount\": 1", "\"rowCount\": 2")]
    [InlineData(Order, ", \"expect\": {\"rowCount\": 1}", "")]
    [InlineData(Order, "\"expect\"", "\"rowFormat\": \"array\", \"expect\"")]
    [InlineData(Order, "\"expect\"", "\"numbers\": \"string\", \"expect\"")]
    [InlineData(Order, "\"expect\"", "\"parameterTypes\": [\"numeric\", null], \"expect\"")]
    [InlineData(Transfer, "SELECT 2", "SELECT 3")]
    [InlineData(Transfer, "[1]", "[2]")]
    [InlineData(Transfer, "\"rowCount\": 1", "\"rowCount\": 2")]
    [InlineData(Transfer, "\"expect\"", "\"rowFormat\": \"array\", \"expect\"")]
    [InlineData(Transfer, "\"statements\"", "\"isolation\": \"serializable\", \"statements\"")]
    [InlineData(Transfer, "\"statements\"", "\"deferrable\": true, \"statements\"")]
    [InlineData(Transfer, "\"statements\"", "\"readOnly\": true, \"statements\"")]
    public void WhatChangesEffectOrAnswer_Counts(string body, string part, string other)
    {
        var changed = body.Replace(part, other);

        Assert.NotEqual(body, changed);
        Assert.NotEqual(Hash(body), Hash(changed));
    }

    [Fact]
    public void OrderOfStatements_Counts() =>
        Assert.NotEqual(
            Hash("""{"statements": [{"sql": "SELECT 1"}, {"sql": "SELECT 2"}]}"""),
            Hash("""{"statements": [{"sql": "SELECT 2"}, {"sql": "SELECT 1"}]}"""));

    /// <summary>A default is one where it is a field, and a value like others within a parameter.</summary>
    [Theory]
    [InlineData("""{"rowFormat": "object"}""")]
    [InlineData("""{"timeoutMs": 1}""")]
    [InlineData("""{"a": null}""")]
    public void FieldsNameWithinAParameter_IsNoField(string parameter) =>
        Assert.NotEqual(
            Hash("""{"sql": "SELECT $1", "parameters": [{}]}"""),
            Hash($$"""{"sql": "SELECT $1", "parameters": [{{parameter}}]}"""));

    [Fact]
    public void SameBodyToAnotherEndpoint_IsAnotherRequest() =>
        Assert.NotEqual(Hash(Order, "Execute"), Hash(Order, "Transaction"));

    /// <summary>FsCheck names the numbers that failed; they make the same bodies again.</summary>
    [Fact]
    public void AnyBody_HasOneHashHoweverItIsPrinted() => Check.One(Runs, Prop.ForAll(
        Gen.Choose(0, int.MaxValue).Two().ToArbitrary(),
        seeds =>
        {
            var (body, other) = (Print(seeds.Item1, null), Print(seeds.Item2, null));

            Assert.Equal(Hash(body), Hash(Print(seeds.Item1, new Random(seeds.Item2))));
            Assert.Equal(body == other, Hash(body) == Hash(other));
        }));

    private static string Hash(string body, string operation = "Execute")
    {
        using var document = JsonDocument.Parse(body);
        return Convert.ToHexString(RequestHash.Of(operation, document.RootElement));
    }

    /// <summary>A body of one shape: plainly, or with its members, spaces and escapes as <paramref name="taste"/> has them.</summary>
    private static string Print(int shape, Random? taste)
    {
        var random = new Random(shape);
        return Members(["sql", "parameters"], name => name == "sql" ? Text(random, taste) : Elements(random, taste, depth: 3), taste);
    }

    private static string Value(Random shape, Random? taste, int depth) => shape.Next(depth > 0 ? 7 : 5) switch
    {
        0 => "null",
        1 => "true",
        2 => $"-{shape.Next(100).ToString(CultureInfo.InvariantCulture)}.5{new string('0', shape.Next(4))}",
        3 => Text(shape, taste),
        4 => $"{shape.Next(10)}e{shape.Next(300)}",
        5 => Elements(shape, taste, depth - 1),
        _ => Members(
            [.. Enumerable.Range(0, shape.Next(5)).Select(i => $"{"rowFormat é\"\\"[shape.Next(13)]}{i}")],
            _ => Value(shape, taste, depth - 1), taste),
    };

    private static string Elements(Random shape, Random? taste, int depth)
    {
        // Never empty: that is a default, where it is the parameters.
        var elements = Enumerable.Range(0, shape.Next(1, 4)).Select(_ => Value(shape, taste, depth)).ToArray();
        return $"[{string.Join(',', elements.Select(element => Space(taste) + element + Space(taste)))}]";
    }

    private static string Members(string[] names, Func<string, string> value, Random? taste)
    {
        var members = names.Select(name => $"{Quoted(name, taste)}{Space(taste)}:{Space(taste)}{value(name)}").ToArray();
        taste?.Shuffle(members);
        return $"{{{string.Join(',', members.Select(member => Space(taste) + member + Space(taste)))}}}";
    }

    private static string Text(Random shape, Random? taste) =>
        Quoted(string.Concat(Enumerable.Range(0, shape.Next(6)).Select(_ => "aB é€\"\\/\n😀".EnumerateRunes().ElementAt(shape.Next(10)))), taste);

    private static string Quoted(string text, Random? taste)
    {
        var quoted = new StringBuilder("\"");
        foreach (var character in text)
        {
            var needsEscape = character is '"' or '\\' or '\n' || char.IsSurrogate(character);
            quoted.Append(needsEscape || taste?.Next(3) == 0 ? $"\\u{(int)character:x4}" : character.ToString());
        }
        return quoted.Append('"').ToString();
    }

    private static string Space(Random? taste) => taste is null ? "" : new[] { "", " ", "\n\t", "\r\n" }[taste.Next(4)];
}
