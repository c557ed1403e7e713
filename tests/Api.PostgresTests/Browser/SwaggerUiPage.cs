namespace Gateway.Api.PostgresTests.Browser;

/// <summary>Visits a gateway's Swagger UI, and keeps the page as a picture in TestResults where the test failed.</summary>
public abstract class SwaggerUiPage(Uri gateway) : IDisposable
{
    private readonly string _screenshot = Repository.PathOf($"TestResults/swagger-ui-{Guid.NewGuid():N}.png");

    public void Dispose()
    {
        if (TestContext.Current.TestState?.Result != TestResult.Failed)
            File.Delete(_screenshot);
        GC.SuppressFinalize(this);
    }

    private protected Task<SwaggerUiVisit> VisitAsync(params object[] steps) => VisitPageAsync("/swagger", steps);

    /// <param name="page">Where it is, if not at its usual place.</param>
    /// <param name="steps">What to do there, one after the other.</param>
    private protected Task<SwaggerUiVisit> VisitPageAsync(string page, params object[] steps) =>
        SwaggerUiVisit.MakeAsync(new Uri(gateway, page), _screenshot, steps);
}
