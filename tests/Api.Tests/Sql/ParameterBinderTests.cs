using Gateway.Api.Endpoints;
using Gateway.Api.Tests.Endpoints;

namespace Gateway.Api.Tests.Sql;

public sealed class ParameterBinderTests
{
    [Theory]
    [InlineData("SELECT %s", "[1]", "The statement has 0 placeholders, and the request has 1 parameter. \"%s\" is not a placeholder here; write $1 or :name.")]
    [InlineData("SELECT %(a)s", "[1]", "The statement has 0 placeholders, and the request has 1 parameter. \"%(name)s\" is not a placeholder here; write $1 or :name.")]
    [InlineData("SELECT ?, ?", "[1, 2]", "The statement has 0 placeholders, and the request has 2 parameters. \"?\" is not a placeholder here; write $1 or :name.")]
    [InlineData("SELECT $1, ?", "[1, 2]", "The statement has 1 placeholder, and the request has 2 parameters. \"?\" is not a placeholder here; write $1 or :name.")]
    // Not in a string, a comment or a name, and not another operator.
    [InlineData("SELECT '%s ?' /* ? */ AS \"?\" -- %s", "[1]", "The statement has 0 placeholders, and the request has 1 parameter.")]
    [InlineData("SELECT 5 % size", "[1]", "The statement has 0 placeholders, and the request has 1 parameter.")]
    [InlineData("SELECT 5 % s", "[1]", "The statement has 0 placeholders, and the request has 1 parameter.")]
    // If parameters are missing, it is not reported.
    [InlineData("SELECT $1 ? 'a'", "[]", "The statement has 1 placeholder, and the request has 0 parameters.")]
    [InlineData("SELECT $1", "null", "The statement has 1 placeholder, and the request has 0 parameters.")]
    public void WrongNumberOfParameters_NamesThePlaceholderOfAnotherDriver(string sql, string parameters, string detail)
    {
        var faults = Requests.Faults($$"""{"activityId": "a", "sql": {{System.Text.Json.JsonSerializer.Serialize(sql)}}, "parameters": {{parameters}}}""", Operation.Query);

        Assert.Equal(("/parameters", detail), (Assert.Single(faults).Pointer, faults[0].Detail));
    }
}
