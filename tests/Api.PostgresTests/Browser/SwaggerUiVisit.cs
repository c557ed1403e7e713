using System.Text.Json;

namespace Gateway.Api.PostgresTests.Browser;

/// <summary>What Chromium showed of Swagger UI; <c>tests/clients/browser/swagger-ui.js</c> drives it.</summary>
/// <param name="Operations">What the page lists, in its order.</param>
/// <param name="Trials">What became of each trial.</param>
/// <param name="Errors">What the page complained of to the browser's console.</param>
/// <param name="Elsewhere">What it asked of anyone but the gateway, in vain.</param>
internal sealed record SwaggerUiVisit(
    IReadOnlyList<SwaggerUiOperation> Operations,
    IReadOnlyList<SwaggerUiTrial> Trials,
    IReadOnlyList<string> Errors,
    IReadOnlyList<string> Elsewhere)
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web);

    /// <summary>Opens the page in a browser of its own and goes through the steps.</summary>
    /// <param name="page">Its address.</param>
    /// <param name="screenshot">Where to leave the page as it looked at the end.</param>
    /// <param name="steps">As the program has them.</param>
    public static async Task<SwaggerUiVisit> MakeAsync(Uri page, string screenshot, params object[] steps)
    {
        var folder = await NpmFolder.InstallAsync("tests/clients/browser");
        await using var browser = new ClientProcess(
            folder, "node", ["swagger-ui.js", screenshot, page.ToString(), JsonSerializer.Serialize(steps, Form)]);
        var code = await browser.WaitForExitAsync();
        Assert.True(code == 0, $"Swagger UI did not take the steps; {screenshot} shows where it stood.\n{browser.Errors}");
        var visit = JsonSerializer.Deserialize<SwaggerUiVisit>(browser.Output, Form)!;
        Assert.Empty(visit.Elsewhere);
        Assert.Empty(visit.Errors);
        return visit;
    }
}

/// <summary>A line of the page's list.</summary>
internal sealed record SwaggerUiOperation(string Method, string Path, string Operation);

/// <summary>An operation tried, as the page shows it.</summary>
/// <param name="Request">The body that was sent.</param>
/// <param name="Status">The status that is shown; null where no answer came.</param>
/// <param name="Text">The answer's body.</param>
/// <param name="Headers">The answer's headers, in lower case as browsers have them.</param>
internal sealed record SwaggerUiTrial(string Request, int? Status, string Text, IReadOnlyDictionary<string, string> Headers)
{
    public JsonElement Json => JsonElement.Parse(Text);
}
