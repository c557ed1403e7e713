using Gateway.Api.PostgresTests.Callers;

namespace Gateway.Api.PostgresTests.Browser;

/// <summary>Tests the Swagger UI of a gateway with callers: "Authorize" sets the key.</summary>
public sealed class SwaggerUiCallerTests(CallersFixture gateway) : IClassFixture<CallersFixture>
{
    [Fact]
    public async Task Authorized_ShowsWhatTheKeyMayDo()
    {
        var visit = await SwaggerUiVisit.MakeAsync(
            new Uri(gateway.Address, "/swagger"),
            new { operation = "query" }, new { authorize = gateway.Reader }, new { operation = "query" }, new { operation = "execute" });

        Assert.Equal([401, 200, 403], visit.Trials.Select(trial => trial.Status));
        Assert.Equal("unauthenticated", visit.Trials[0].Json.GetProperty("code").GetString());
        Assert.Equal("ada@example.org", visit.Trials[1].Json.GetProperty("rows")[0].GetProperty("email").GetString());
    }
}
