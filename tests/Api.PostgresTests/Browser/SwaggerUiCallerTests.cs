using Gateway.Api.PostgresTests.Callers;

namespace Gateway.Api.PostgresTests.Browser;

/// <summary>Tests the Swagger UI of a gateway with callers: "Authorize" sets the key.</summary>
public sealed class SwaggerUiCallerTests(CallersFixture gateway) : SwaggerUiPage(gateway.Address), IClassFixture<CallersFixture>
{
    [Fact]
    public async Task Authorized_ShowsTheRowsThatWereRefusedBefore()
    {
        var visit = await VisitAsync(new { operation = "query" }, new { authorize = gateway.Reader }, new { operation = "query" });

        Assert.Equal([401, 200], visit.Trials.Select(trial => trial.Status));
        Assert.Equal("unauthenticated", visit.Trials[0].Json.GetProperty("code").GetString());
        Assert.Equal("ada@example.org", visit.Trials[1].Json.GetProperty("rows")[0].GetProperty("email").GetString());
    }

    [Fact]
    public async Task AuthorizedWithoutTheRight_ShowsThatItIsForbidden()
    {
        var visit = await VisitAsync(new { authorize = gateway.Reader }, new { operation = "execute" });

        Assert.Equal(403, Assert.Single(visit.Trials).Status);
    }
}
