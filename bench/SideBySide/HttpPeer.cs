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

    /// <summary>Creates a contestant that gets requests with such bodies.</summary>
    /// <param name="name">The contestant's name.</param>
    /// <param name="path">The path of the requests.</param>
    /// <param name="body">Returns the body for the request's number and an account.</param>
    /// <param name="rows">Returns the rows of an answer.</param>
    /// <param name="effect">The effect of a right answer.</param>
    protected Contestant Of(
        string name, string path, Func<int, int, string> body, Func<JsonNode, JsonNode?> rows, Effect effect = default)
    {
        var file = wrk.Write(Accounts.Keys.Select((account, number) => body(number, account)));
        return new Contestant(name, this, (clients, duration, ct) => Own.MeasureAsync(
            () => wrk.RunAsync(Server.Port, path, file, clients, duration, ct)))
        {
            AskAsync = async (account, ct) =>
            {
                var answer = await PostAsync(path, body(0, account), ct);
                return rows(JsonNode.Parse(answer)!)?.AsArray()
                    ?? throw new InvalidOperationException($"{name} answers {answer}.");
            },
            KeepsSessions = true,
            Effect = effect,
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
                var answer = await StreamedAnswerReader.ReadAsync(
                    Server.Port, path, "application/x-ndjson", body, ct);
                if (answer.Status != 200 || answer.Lines != lines)
                {
                    throw new InvalidOperationException(
                        $"{name} streams {answer.Lines} lines with the status {answer.Status}, the last: {answer.End}");
                }
                rows += Accounts.Rows;
            }
            while (Stopwatch.GetElapsedTime(begun) < duration);
            return new LoadResult(rows, 0, Stopwatch.GetElapsedTime(begun).TotalSeconds, double.NaN, double.NaN);
        }));

    /// <summary>
    /// Returns the contestants of a server that has its own statements, each at a path with its work's name, and gets
    /// only their parameters. A server that runs the statements of its requests has other contestants.
    /// </summary>
    protected IEnumerable<Contestant> WithStatementsOfItsOwn(string name, Work work)
    {
        if (work == Work.PointSelect || work == Work.Page)
            return [Taking("", default)];
        if (work == Work.Update)
            return [Taking("1,", new Effect(1, 0))];
        if (work == Work.Transaction)
            return [Taking("1,", new Effect(1, 1))];
        if (work == Work.Stream)
            return [Streaming(name, $"/{work.Name}", "{}", Accounts.Rows)];
        return [];

        Contestant Taking(string first, Effect effect) => Of(
            name, $"/{work.Name}",
            (_, account) => string.Create(CultureInfo.InvariantCulture, $$"""{"parameters":[{{first}}{{account}}]}"""),
            answer => answer["rows"], effect);
    }

    /// <summary>Posts a body and returns the answer's body.</summary>
    /// <exception cref="InvalidOperationException">The request was refused.</exception>
    protected async Task<string> PostAsync(string path, string body, CancellationToken ct)
    {
        var id = RandomNumberGenerator.GetHexString(FreshId.Length, lowercase: true);
        var fresh = body.Replace(FreshId, id, StringComparison.Ordinal);
        using var content = new StringContent(fresh, Encoding.UTF8, "application/json");
        using var answer = await _client.PostAsync(new Uri(path, UriKind.Relative), content, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        return answer.IsSuccessStatusCode
            ? text
            : throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture, $"{path} of {GetType().Name} answers {(int)answer.StatusCode}: {text}"));
    }
}
