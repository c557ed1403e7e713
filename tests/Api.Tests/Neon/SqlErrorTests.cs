using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Neon;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Neon;

public sealed class SqlErrorTests
{
    private static readonly string[] Fields =
    [
        "message", "code", "detail", "hint", "position", "internalPosition", "internalQuery", "severity", "where", "table", "column", "schema",
        "dataType", "constraint", "file", "line", "routine",
    ];

    /// <summary>Drivers parse an error only if the status is 400.</summary>
    [Theory]
    [InlineData(ProblemCode.InvalidRequest, 400)]
    [InlineData(ProblemCode.SqlRejected, 400)]
    [InlineData(ProblemCode.ReadOnly, 400)]
    [InlineData(ProblemCode.ActivityMismatch, 400)]
    [InlineData(ProblemCode.JournalMissing, 400)]
    [InlineData(ProblemCode.Unauthenticated, 401)]
    [InlineData(ProblemCode.Forbidden, 403)]
    [InlineData(ProblemCode.ConnectionNotFound, 404)]
    [InlineData(ProblemCode.ActivityInFlight, 409)]
    [InlineData(ProblemCode.BodyTooLarge, 413)]
    [InlineData(ProblemCode.Internal, 500)]
    [InlineData(ProblemCode.Saturated, 503)]
    [InlineData(ProblemCode.OutcomeUnknown, 503)]
    [InlineData(ProblemCode.DeadlineExceeded, 504)]
    [InlineData(ProblemCode.ResultTooLarge, 507)]
    public void FailureOfTheGateways_HasItsStatusAndItsCode(ProblemCode code, int status)
    {
        var failure = new Failure(code, "Why.");

        Assert.Equal(status, new SqlError().StatusOf(failure));
        var body = Body(failure);
        Assert.Equal(("Why.", FailureForm.NameOf(code)), (body.GetProperty("message").GetString(), body.GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData(ProblemCode.SqlError, "23505")]
    // Even retryable errors: drivers read the code.
    [InlineData(ProblemCode.Conflict, "40001")]
    [InlineData(ProblemCode.DatabaseUnavailable, "53100")]
    public void ErrorOfPostgreSQL_Is400WhateverItsKind(ProblemCode code, string sqlState)
    {
        var failure = new Failure(code, "No.")
        {
            Refusal = new PostgresRefusal(sqlState) { Context = new PostgresErrorContext("ERROR") },
        };

        Assert.Equal(400, new SqlError().StatusOf(failure));
        Assert.Equal(sqlState, Body(failure).GetProperty("code").GetString());
    }

    /// <summary>For example a refused login: no statement of the caller was sent.</summary>
    [Fact]
    public void ServerOutOfReach_IsNoErrorOfTheStatement() => Assert.Equal(
        503,
        new SqlError().StatusOf(new Failure(ProblemCode.DatabaseUnavailable, "No.") { Refusal = new PostgresRefusal("28P01") }));

    [Fact]
    public void Body_HasAllFieldsAsTextOrNull()
    {
        var failure = new Failure(ProblemCode.SqlError, "No.")
        {
            Refusal = new PostgresRefusal("42703")
            {
                Position = 8,
                Hint = "Perhaps.",
                Context = new PostgresErrorContext("ERROR") { InternalPosition = 3, Line = "42" },
            },
        };

        var body = Body(failure);

        Assert.Equal(Fields, body.EnumerateObject().Select(field => field.Name));
        Assert.Equal(
            ["message", "code", "hint", "position", "internalPosition", "severity", "line"],
            body.EnumerateObject().Where(field => field.Value.ValueKind == JsonValueKind.String).Select(field => field.Name));
        Assert.All(
            body.EnumerateObject().Where(field => field.Value.ValueKind != JsonValueKind.String),
            field => Assert.Equal(JsonValueKind.Null, field.Value.ValueKind));
    }

    [Fact]
    public void FaultsOfARequest_AreInTheMessage() => Assert.Equal(
        "/params/0: Not so. And not so.",
        Body(Failure.Invalid([new RequestFault("/params/0", "Not so."), new RequestFault("", "And not so.")])).GetProperty("message").GetString());

    private static JsonElement Body(Failure failure) => JsonElement.Parse(new SqlError().BodyOf(failure, null));
}
