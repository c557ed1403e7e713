namespace Gateway.Api.PostgresTests.Browser;

/// <summary>Visits a gateway's Swagger UI, and keeps a screenshot in TestResults if the test failed.</summary>
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

    /// <param name="page">The page's path, if it is not the usual one.</param>
    /// <param name="steps">The steps on the page, in order.</param>
    private protected Task<SwaggerUiVisit> VisitPageAsync(string page, params object[] steps) =>
        SwaggerUiVisit.MakeAsync(new Uri(gateway, page), _screenshot, steps);
}
