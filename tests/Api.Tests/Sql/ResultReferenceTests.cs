using Gateway.Api.Endpoints;
using Gateway.Api.Tests.Endpoints;

namespace Gateway.Api.Tests.Sql;

/// <summary>Tests how parameters that refer to earlier results are read; resolving them needs a server.</summary>
public sealed class ResultReferenceTests
{
    private const string NoPointer = "$ref is a JSON Pointer into the results of the statements before";

    [Theory]
    [InlineData("/0/rows/0/id", 0)]
    [InlineData("/1/rows/12/3", 1)]
    [InlineData("/1/rows", 1)]
    [InlineData("/0/rowCount", 0)]
    [InlineData("/0/rows/0/a~1b~0c", 0)]
    public void PointerToAStatementBefore_IsAReference(string pointer, int statement)
    {
        var call = Requests.Read(Third($$"""[7, {"$ref": "{{pointer}}"}]"""), Operation.Transaction);

        var reference = Assert.Single(call.Statements[2].Statement.References);
        Assert.Equal((1, statement, pointer), (reference.Parameter, reference.Statement, reference.Pointer));
    }

    [Fact]
    public void NamedParameter_IsAReferenceToo()
    {
        var call = Requests.Read(Third("""{"b": {"$ref": "/1/rowCount"}, "a": 7}""", "SELECT :a, :b"), Operation.Transaction);

        var reference = Assert.Single(call.Statements[2].Statement.References);
        Assert.Equal((1, 1), (reference.Parameter, reference.Statement));
    }

    [Theory]
    [InlineData("\"\"")]
    [InlineData("\"/\"")]
    [InlineData("\"/0\"")]
    [InlineData("\"0/rows/0/id\"")]
    [InlineData("\"#/0/rows/0/id\"")]
    [InlineData("\"/x/rows/0/id\"")]
    [InlineData("\"/-1/rows/0/id\"")]
    [InlineData("\"/00/rows/0/id\"")]
    [InlineData("\"/0/rows/00/id\"")]
    [InlineData("\"/0/rows/-/id\"")]
    [InlineData("\"/0/rowCount/0\"")]
    [InlineData("\"/99999999999/rows/0/id\"")]
    [InlineData("\"/0/columns/0/name\"")]
    [InlineData("\"/0/Rows/0/id\"")]
    [InlineData("\"/0/rows/0/\\ud800\"")]
    [InlineData("0")]
    [InlineData("null")]
    [InlineData("{}")]
    public void WhatIsNoPointerIntoTheResults_IsRefused(string reference)
    {
        var fault = Assert.Single(Requests.Faults(Third($$"""[7, {"$ref": {{reference}} }]"""), Operation.Transaction));

        Assert.Equal("/statements/2/parameters/1", fault.Pointer);
        Assert.StartsWith(NoPointer, fault.Detail);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(100)]
    public void PointerForward_IsRefused(int statement)
    {
        var fault = Assert.Single(
            Requests.Faults(Third($$"""{"id": {"$ref": "/{{statement}}/rows/0/id"} }""", "SELECT :id"), Operation.Transaction));

        Assert.Equal("/statements/2/parameters/id", fault.Pointer);
        Assert.Contains($"statement {statement}, which is not before this one, 2", fault.Detail);
    }

    /// <summary>There is no statement before the first.</summary>
    [Fact]
    public void FirstStatement_CanReferToNothing()
    {
        var fault = Assert.Single(Requests.Faults(
            """{"activityId": "a", "statements": [{"sql": "SELECT $1", "parameters": [{"$ref": "/0/rowCount"}]}]}""", Operation.Transaction));

        Assert.Equal("/statements/0/parameters/0", fault.Pointer);
    }

    [Theory]
    [InlineData("""{"$ref": "/0/rows/0/id", "other": 1}""")]
    [InlineData("""[{"$ref": "/0/rows/0/id"}]""")]
    [InlineData("""{"$Ref": "/0/rows/0/id"}""")]
    [InlineData("\"/0/rows/0/id\"")]
    public void WhatOnlyLooksLikeAReference_IsAValue(string parameter)
    {
        var call = Requests.Read(Third($"[7, {parameter}]"), Operation.Transaction);

        Assert.Empty(call.Statements[2].Statement.References);
    }

    [Theory]
    [InlineData(Operation.Query)]
    [InlineData(Operation.Execute)]
    internal void AStatementAlone_HasNoResultsToReferTo(Operation operation)
    {
        var call = Requests.Read(
            """{"activityId": "a", "sql": "SELECT $1", "parameters": [{"$ref": "/0/rows/0/id"}]}""", operation);

        Assert.Empty(call.Statements[0].Statement.References);
    }

    /// <summary>Returns a transaction of three statements; the last has the parameters.</summary>
    private static string Third(string parameters, string sql = "SELECT $1, $2") =>
        $$"""{"activityId": "a", "statements": [{"sql": "SELECT 1"}, {"sql": "SELECT 2"}, {"sql": "{{sql}}", "parameters": {{parameters}}}]}""";
}
