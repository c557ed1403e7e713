namespace Gateway.Api.PostgresTests.Browser;

/// <summary>Tests the Swagger UI of a gateway behind a proxy that removes a prefix.</summary>
public sealed class SwaggerUiPrefixTests(GatewayFixture gateway)
{
    [Fact]
    public async Task BehindAPrefix_TriesItThere()
    {
        var visit = await SwaggerUiVisit.MakeAsync(
            new Uri(gateway.Address, "/database/gateway/swagger/index.html"), new { operation = "query" });

        Assert.Equal(200, Assert.Single(visit.Trials).Status);
    }
}
