using System.Text.Json;

namespace Gateway.Api.PostgresTests.Browser;

/// <summary>
/// Represents what Chromium showed of Swagger UI; <c>tests/clients/browser/swagger-ui.js</c> drives it.
/// </summary>
/// <param name="Operations">The operations that the page lists, in its order.</param>
/// <param name="Trials">The result of each tried operation.</param>
/// <param name="Errors">The errors in the browser's console.</param>
/// <param name="Elsewhere">The requests to other hosts, which were blocked.</param>
internal sealed record SwaggerUiVisit(
    IReadOnlyList<SwaggerUiOperation> Operations,
    IReadOnlyList<SwaggerUiTrial> Trials,
    IReadOnlyList<string> Errors,
    IReadOnlyList<string> Elsewhere)
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web);

    /// <summary>
    /// Opens the page in a new browser, and runs the steps. If one of them can't be done, TestResults gets a screenshot.
    /// </summary>
    /// <param name="page">The page's address.</param>
    /// <param name="steps">The steps, in the program's form.</param>
    public static async Task<SwaggerUiVisit> MakeAsync(Uri page, params object[] steps)
    {
        var screenshot = Repository.PathOf($"TestResults/swagger-ui-{Guid.NewGuid():N}.png");
        var folder = await NpmFolder.InstallAsync("tests/clients/browser");
        await using var browser = new ClientProcess(
            folder, "node", ["swagger-ui.js", screenshot, page.ToString(), JsonSerializer.Serialize(steps, Form)]);
        var code = await browser.WaitForExitAsync(TimeSpan.FromMinutes(3));
        Assert.True(code == 0, $"Swagger UI did not take the steps; {screenshot} shows where it stood.\n{browser.Errors}");
        var visit = JsonSerializer.Deserialize<SwaggerUiVisit>(browser.Output, Form)!;
        Assert.Empty(visit.Elsewhere);
        Assert.Empty(visit.Errors);
        return visit;
    }
}

/// <summary>Represents an operation in the page's list.</summary>
internal sealed record SwaggerUiOperation(string Method, string Path, string Operation);

/// <summary>Represents a tried operation, as the page shows it.</summary>
/// <param name="Request">The body that was sent.</param>
/// <param name="Status">The status that is shown; null if no answer arrived.</param>
/// <param name="Text">The answer's body.</param>
/// <param name="Headers">The answer's headers, in lower case as in browsers.</param>
internal sealed record SwaggerUiTrial(string Request, int? Status, string Text, IReadOnlyDictionary<string, string> Headers)
{
    public JsonElement Json => JsonElement.Parse(Text);
}
