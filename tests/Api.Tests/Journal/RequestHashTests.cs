using System.Data;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Api.Endpoints;
using Gateway.Api.Journal;
using Gateway.Api.Neon;

namespace Gateway.Api.Tests.Journal;

public sealed class RequestHashTests
{
    private const string Order =
        """{"activityId": "a", "sql": "INSERT INTO t VALUES ($1, $2)", "parameters": [1.10, {"b": [1, 2], "a": "é/"}], "expect": {"rowCount": 1}}""";

    private const string Transfer =
        """{"activityId": "a", "statements": [{"sql": "SELECT $1", "parameters": [1]}, {"sql": "SELECT 2", "expect": {"rowCount": 1}}]}""";

    private const string Serializable =
        """{"isolation": "serializable", "deferrable": true, "statements": [{"sql": "SELECT $1", "parameters": [1]}, {"sql": "SELECT 2", "rowFormat": "array", "expect": {"rowCount": 1}}]}""";

    private const string SqlBatch = """{"queries": [{"query": "SELECT 1"}, {"query": "SELECT $1", "params": ["x"]}]}""";

    private static readonly Config Runs = Config.QuickThrowOnFailure.WithMaxTest(500);

    [Theory]
    // In another order, also inside a parameter.
    [InlineData(Order, """{"expect": {"rowCount": 1}, "parameters": [1.10, {"a": "é/", "b": [1, 2]}], "sql": "INSERT INTO t VALUES ($1, $2)"}""")]
    [InlineData(Order, """{"activityId":"a","sql":"INSERT INTO t VALUES ($1, $2)","parameters":[1.10,{"b":[1,2],"a":"é/"}],"expect":{"rowCount":1}}""")]
    [InlineData(Order, """{"s\u0071l": "\u0049NSERT INTO t VALUES ($1, $2)", "parameters": [1.10, {"\u0062": [1, 2], "a": "\u00e9\/"}], "expect": {"rowCount": 1}}""")]
    // The caller, the timeout and the attempt.
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

    /// <summary>
    /// A default only counts as one in a field of the request; inside a parameter it is a value like any other.
    /// </summary>
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
        Assert.NotEqual(Hash(Order, Operation.Execute), Hash(Order, Operation.Transaction));

    /// <summary>
    /// Hashes are stored as long as their records, so the format must not change. A separate program has computed the
    /// values from the format in docs/compatibility.md.
    /// </summary>
    [Theory]
    [InlineData("""{"sql": "SELECT 1"}""", "02D191FC4BEDC12F5B0739FE3E761DB7C30FD9989436078F617D4B5E431DB2353D")]
    [InlineData(Order, "028517DB9C4217097B3E5C024FDF4C0795181F40F8493237AC4DEED226B16F43F1")]
    [InlineData("""{"sql": "SELECT :a", "parameters": {"a": null}, "parameterTypes": {"a": "int"}}""", "0296B2199C163392F525550423B8E9B743B955DD6EA2940119B53D6E083653444D")]
    [InlineData("""{"sql": "SELECT $1", "parameters": [true, false, "", "😀\n\"\\", -0.50e+3]}""", "024932BC246D6FFD66618B6F18CF8A6825904D40E14C4327E4E8106D037BDCDBB8")]
    [InlineData("""{"sql": "SELECT $1", "parameters": ["\ud800", "\u0000"]}""", "0299C8EDA275B7FEE717A2B26F91195E091ECE27B1AD26EF7BC4424B09FA6332DD")]
    [InlineData("""{"sql": "SELECT 1", "rowFormat": "array", "numbers": "string"}""", "027226CFF2B250DF3D949C961FF62EAEFC15792F7A51D3D7CF7A4DF6609D490439")]
    [InlineData("""{"statements": [{"sql": "SELECT 1"}]}""", "02D0FD714B77B84AFD9B79A15ACA9ACCD44316BBDE9A88396B6DEBAD46D9A9BF70")]
    [InlineData(Serializable, "0252AD2E198EE887D6E2CDA7C68FF1B87C5DF32981B944469AAEE12C6FB6A746E3")]
    [InlineData("""{"isolation": "repeatable read", "statements": [{"sql": "INSERT INTO t VALUES ($1)", "parameters": [{"$ref": "/0/rows/0/id"}]}]}""", "02ACEF513A4987086B43DB9FD272A09D64AA6D70ED8F7D84FC3F8CE98F74F4991D")]
    public void Hash_HasItsGoldenValue(string body, string hash) => Assert.Equal(hash, Hash(body));

    [Theory]
    [InlineData("""{"query": "SELECT $1", "params": ["1"]}""", false, false, null, false, "026104697A8FE4A72A22BF7AD0CBD7A9943DE2BD9E30BB6CDABC5917CF7A7C5879")]
    [InlineData("""{"query": "SELECT 1", "params": [], "arrayMode": true}""", true, true, null, false, "02AC7F50E20A3F65334E4041805CE8586B6EDEACF29022C73DD3DAEE1E9437180A")]
    [InlineData(SqlBatch, false, false, IsolationLevel.Serializable, true, "023F5291DBB1A233E5DF98C6DB6C58F51DA9AEA7D6A507820E8AC8A41DB9A1109A")]
    public void HashOfSql_HasItsGoldenValue(
        string body, bool rawText, bool arrayMode, IsolationLevel? isolation, bool deferrable, string hash) =>
        Assert.Equal(hash, Convert.ToHexString(HashOfSql(body, rawText, arrayMode, isolation, deferrable).Bytes));

    [Fact]
    public void EachHeaderOfSql_ChangesTheHash()
    {
        string[] hashes =
        [
            .. from rawText in new[] { false, true }
               from arrayMode in new[] { false, true }
               from deferrable in new[] { false, true }
               from isolation in new IsolationLevel?[] { null, IsolationLevel.ReadUncommitted, IsolationLevel.ReadCommitted, IsolationLevel.RepeatableRead, IsolationLevel.Serializable }
               select Convert.ToHexString(HashOfSql(SqlBatch, rawText, arrayMode, isolation, deferrable).Bytes),
        ];

        Assert.Equal(40, hashes.Distinct().Count());
    }

    /// <summary>A record of an earlier gateway must still be recognised. The values are SHA-256 of the canonical JSON of version 1.</summary>
    [Theory]
    [InlineData("""{"sql": "SELECT 1"}""", "DF9C3DE87B2B3027F2099BBCFB8834249E3FD2C712F443EC9E43EA377E743C01")]
    [InlineData(Order, "BE8A2B55FABA56136DEBABBA57C96EBE283AF33C3FBB6AB01D8BFAB35BA7B7FA")]
    [InlineData(Serializable, "A80FF8BDF95E8F06A73AA4BD3893CBAD545AD34C380269D2B8F5DBF1BB4C4B0E")]
    public void HashOfVersion1_Matches(string body, string stored)
    {
        var hash = HashOf(body, body == Serializable ? Operation.Transaction : Operation.Execute);

        Assert.True(hash.Matches(Convert.FromHexString(stored)));
        Assert.True(hash.Matches(hash.Bytes));
        Assert.False(hash.Matches(hash.Bytes.AsSpan(1)));
        Assert.False(HashOf("""{"sql": "SELECT 2"}""", Operation.Execute).Matches(Convert.FromHexString(stored)));
    }

    [Theory]
    [InlineData("""{"query": "SELECT 1", "arrayMode": true}""", true, true, null, false, "B25B0C3FE96E7D7A1C57280254CBBC4F119B3CBBC5A3DB8EAA9464CF2535B61A")]
    [InlineData(SqlBatch, false, false, IsolationLevel.Serializable, true, "D77133E22ED59887B1AC477F1866813A78E5D3ECB337B8745B342AE7D9DC49F2")]
    public void HashOfSqlOfVersion1_Matches(
        string body, bool rawText, bool arrayMode, IsolationLevel? isolation, bool deferrable, string stored) =>
        Assert.True(HashOfSql(body, rawText, arrayMode, isolation, deferrable).Matches(Convert.FromHexString(stored)));

    /// <summary>FsCheck prints the numbers that failed; they make the same bodies again.</summary>
    [Fact]
    public void AnyBody_HasOneHashHoweverItIsPrinted() => Check.One(Runs, Prop.ForAll(
        Gen.Choose(0, int.MaxValue).Two().ToArbitrary(),
        seeds =>
        {
            var (body, other) = (Print(seeds.Item1, null), Print(seeds.Item2, null));

            Assert.Equal(Hash(body), Hash(Print(seeds.Item1, new Random(seeds.Item2))));
            Assert.Equal(body == other, Hash(body) == Hash(other));
        }));

    private static string Hash(string body) =>
        Hash(body, body.Contains("\"statements\"", StringComparison.Ordinal) ? Operation.Transaction : Operation.Execute);

    private static string Hash(string body, Operation operation) => Convert.ToHexString(HashOf(body, operation).Bytes);

    private static RequestHash HashOf(string body, Operation operation)
    {
        using var document = JsonDocument.Parse(body);
        return RequestReader.HashOf(document.RootElement, operation);
    }

    private static RequestHash HashOfSql(string body, bool rawText, bool arrayMode, IsolationLevel? isolation, bool deferrable)
    {
        using var document = JsonDocument.Parse(body);
        var batch = new SqlBatchMode(isolation, ReadOnly: false, deferrable);
        return SqlRequestHash.Of(new SqlHeaders(rawText, arrayMode, batch), batch, document.RootElement);
    }

    /// <summary>
    /// Returns a body of the given shape: in plain form, or with members, spaces and escapes that
    /// <paramref name="taste"/> draws.
    /// </summary>
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
        // Never empty, because an empty value is the default of the parameters.
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
