using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.Streams;

/// <summary>Proves that the contestants answer with the table's rows. Otherwise the figures are useless.</summary>
internal static class Proof
{
    /// <summary>Compares the contestants' rows with PostgreSQL's.</summary>
    /// <param name="expected">The first page's rows.</param>
    /// <param name="gateway">The gateway, which answers in every format.</param>
    /// <param name="bare">The bare server, which answers with pages.</param>
    /// <param name="ct">Ends the requests.</param>
    /// <exception cref="InvalidOperationException">A contestant answers with other rows.</exception>
    public static async Task RequireRowsAsync(
        JsonArray expected, ServerProcess gateway, ServerProcess bare, CancellationToken ct)
    {
        var page = await AskAsync(gateway, "/v1/query", "application/json", StreamRows.FirstPageBody, ct);
        Compare("The gateway's page", expected, JsonNode.Parse(page)!["rows"]!.AsArray());

        var stream = await AskAsync(gateway, "/v1/query", StreamedAnswer.Ndjson, StreamRows.FirstPageBody, ct);
        Compare(
            "The gateway's stream", expected,
            [.. stream.TrimEnd('\n').Split('\n')[1..^1].Select(line => JsonNode.Parse(line))]);

        var byHand = await AskAsync(bare, "/", "application/json", StreamRows.BareBody(0), ct);
        Compare("The bare server's page", expected, JsonNode.Parse(byHand)!["rows"]!.AsArray());
    }

    private static void Compare(string what, JsonArray expected, JsonArray rows)
    {
        if (!JsonNode.DeepEquals(Normalize(expected), Normalize(rows)))
            throw new InvalidOperationException($"{what} has other rows than PostgreSQL.");
    }

    /// <summary>Returns the rows with times in one format, because the bare server writes UTC as Z.</summary>
    private static JsonArray Normalize(JsonArray rows)
    {
        var normal = rows.DeepClone().AsArray();
        foreach (var row in normal)
        {
            var at = DateTimeOffset.Parse(row!["at"]!.GetValue<string>(), CultureInfo.InvariantCulture);
            row["at"] = at.ToString("O", CultureInfo.InvariantCulture);
        }
        return normal;
    }

    private static async Task<string> AskAsync(
        ServerProcess server, string path, string accept, string body, CancellationToken ct)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://127.0.0.1:{server.Port}{path}");
        request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse(accept));
        using var answer = await client.SendAsync(request, ct);
        var text = await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(ct);
        return answer.Content.Headers.ContentType?.MediaType == accept
            ? text
            : throw new InvalidOperationException(
                $"{path} answers with {answer.Content.Headers.ContentType} instead of {accept}.");
    }
}
