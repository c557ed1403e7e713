using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>Represents a peer that is an HTTP server. wrk drives it.</summary>
internal abstract class HttpPeer(ServerProcess server, Wrk wrk) : Peer
{
    /// <summary>The placeholder in a request's text for an ID that no other request has.</summary>
    protected const string FreshId = "################";

    private readonly HttpClient _client = new() { BaseAddress = new Uri($"http://127.0.0.1:{server.Port}") };

    protected ServerProcess Server { get; } = server;

    protected OwnProcesses Own { get; } = new(server.ProcessId);

    public override async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await Server.DisposeAsync();
    }

    /// <summary>Creates a contestant.</summary>
    /// <param name="work">The work.</param>
    /// <param name="name">The contestant's name.</param>
    /// <param name="path">The path of the requests.</param>
    /// <param name="body">Returns the body for an account.</param>
    /// <param name="rows">Returns the rows of an answer.</param>
    /// <param name="keys">The API keys that the requests carry in turn; none if the server takes none.</param>
    protected Contestant Of(
        Work work, string name, string path, Func<int, string> body, Func<JsonNode, JsonNode?> rows,
        params IReadOnlyList<string> keys)
    {
        var file = wrk.Write(Accounts.Keys.Select((account, number) =>
            (keys.Count > 0 ? $"{keys[number % keys.Count]}\t" : "") + body(account)));
        return new Contestant(name, this, (clients, duration, ct) => Own.MeasureAsync(
            () => wrk.RunAsync(Server.Port, path, file, clients, duration, ct)))
        {
            AskAsync = async (account, ct) =>
            {
                var answer = await PostAsync(path, body(account), ct, keys is [var key, ..] ? key : null);
                return rows(JsonNode.Parse(answer)!)?.AsArray()
                    ?? throw new InvalidOperationException($"{name} answers {answer}.");
            },
            Effect = work.Effect,
            LeavesRequestsBehind = true,
        };
    }

    /// <summary>Creates a contestant that streams all accounts as NDJSON, again and again.</summary>
    /// <param name="name">The contestant's name.</param>
    /// <param name="path">The path of the requests.</param>
    /// <param name="body">The body of a request.</param>
    /// <param name="lines">The number of lines in a right answer.</param>
    protected Contestant Streaming(string name, string path, string body, long lines) =>
        new(name, this, (_, duration, ct) => Own.MeasureAsync(async () =>
        {
            var (rows, begun) = (0L, Stopwatch.GetTimestamp());
            do
            {
                await StreamedAnswer.RequireAsync(Server.Port, path, StreamedAnswer.Ndjson, body, lines, ct);
                rows += Accounts.Rows;
            }
            while (Stopwatch.GetElapsedTime(begun) < duration);
            return LoadResult.OfRows(rows, Stopwatch.GetElapsedTime(begun));
        }));

    /// <summary>Posts a body and returns the answer's body.</summary>
    /// <exception cref="InvalidOperationException">The request was refused.</exception>
    protected async Task<string> PostAsync(string path, string body, CancellationToken ct, string? key = null)
    {
        var id = RandomNumberGenerator.GetHexString(FreshId.Length, lowercase: true);
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(
                body.Replace(FreshId, id, StringComparison.Ordinal), Encoding.UTF8, "application/json"),
        };
        if (key is not null)
            request.Headers.Authorization = new("Bearer", key);
        using var answer = await _client.SendAsync(request, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        return answer.IsSuccessStatusCode
            ? text
            : throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture, $"{path} of {GetType().Name} answers {(int)answer.StatusCode}: {text}"));
    }
}

/// <summary>
/// Represents a server with fixed statements. Each is at a path with its work's name, and a request has its parameters.
/// </summary>
/// <param name="name">The name in the results.</param>
/// <param name="server">The server.</param>
/// <param name="wrk">The load.</param>
/// <param name="works">The works that it takes part in; none for all.</param>
internal sealed class FixedStatementsPeer(string name, ServerProcess server, Wrk wrk, params WorkKind[] works)
    : HttpPeer(server, wrk)
{
    public override IEnumerable<Contestant> Contestants(Work work)
    {
        if (works.Length > 0 && !works.Contains(work.Kind))
            return [];
        return work.Kind switch
        {
            WorkKind.PointSelect or WorkKind.Page => [Taking("")],
            WorkKind.Update or WorkKind.Transaction => [Taking("1,")],
            WorkKind.Stream => [Streaming(name, $"/{work.Name}", "{}", Accounts.Rows)],
            _ => [],
        };

        Contestant Taking(string first) => Of(
            work, name, $"/{work.Name}",
            account => string.Create(CultureInfo.InvariantCulture, $$"""{"parameters":[{{first}}{{account}}]}"""),
            answer => answer["rows"]);
    }
}
