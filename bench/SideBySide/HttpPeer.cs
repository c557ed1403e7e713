using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>One that is a server, and is driven by wrk.</summary>
internal abstract class HttpPeer(ServerProcess server, Wrk wrk) : Peer
{
    /// <summary>In a request's text, the place of an ID that no other request has.</summary>
    protected const string FreshId = "################";

    private readonly HttpClient _client = new() { BaseAddress = new Uri($"http://127.0.0.1:{server.Port}") };

    protected ServerProcess Server { get; } = server;

    protected OwnProcesses Own { get; } = new(server.ProcessId);

    public override async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await Server.DisposeAsync();
    }

    /// <summary>A contestant that takes bodies of this form.</summary>
    /// <param name="name">The contestant's.</param>
    /// <param name="path">Where they are posted to.</param>
    /// <param name="body">For an account; its number among the requests comes first.</param>
    /// <param name="rows">Of an answer.</param>
    /// <param name="effect">Of a right answer.</param>
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

    /// <summary>A contestant that writes all accounts as NDJSON, again and again.</summary>
    /// <param name="name">The contestant's.</param>
    /// <param name="path">Where it is asked to.</param>
    /// <param name="body">Of the request.</param>
    /// <param name="lines">Of a right answer.</param>
    protected Contestant Streaming(string name, string path, string body, long lines) =>
        new(name, this, (_, duration, ct) => Own.MeasureAsync(async () =>
        {
            var (rows, begun) = (0L, Stopwatch.GetTimestamp());
            do
            {
                var answer = await StreamedAnswerReader.ReadAsync(Server.Port, path, "application/x-ndjson", body, ct);
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
    /// As what a server takes part that has the statements written down, each at a path of its work's name, and takes
    /// their parameters: all but those of one that runs what it is sent.
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

    /// <exception cref="InvalidOperationException">It was refused.</exception>
    protected async Task<string> PostAsync(string path, string body, CancellationToken ct)
    {
        var fresh = body.Replace(FreshId, RandomNumberGenerator.GetHexString(FreshId.Length, lowercase: true), StringComparison.Ordinal);
        using var content = new StringContent(fresh, Encoding.UTF8, "application/json");
        using var answer = await _client.PostAsync(new Uri(path, UriKind.Relative), content, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        return answer.IsSuccessStatusCode
            ? text
            : throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture, $"{path} of {GetType().Name} answers {(int)answer.StatusCode}: {text}"));
    }
}
