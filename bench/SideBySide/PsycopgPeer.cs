using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>
/// Represents activities that have the DSN and open a connection each, directly or by PgBouncer.
/// </summary>
internal sealed class PsycopgPeer : Peer
{
    public const string Direct = "psycopg2";

    private const string Bounced = "psycopg2 via PgBouncer";

    private readonly string _name;
    private readonly LineProcess _program;
    private readonly PgBouncer? _bouncer;
    private readonly OwnProcesses _own;

    private PsycopgPeer(string name, Ground ground, Uri dsn, PgBouncer? bouncer)
    {
        (_name, _bouncer) = (name, bouncer);
        _program = new LineProcess(
            [Requirement.Python, Path.Combine(ground.Bench, "SideBySide", "psycopg2", "activities.py")],
            ("DSN", dsn.ToString()));
        _own = bouncer is null ? new OwnProcesses(_program.Id) : new OwnProcesses(_program.Id, bouncer.ProcessId);
    }

    public static Task<Peer> StartAsync(Ground ground, CancellationToken ct) =>
        Task.FromResult<Peer>(new PsycopgPeer(Direct, ground, new Uri(ground.Postgres.Dsn), bouncer: null));

    public static async Task<Peer> StartBouncedAsync(Ground ground, CancellationToken ct)
    {
        var bouncer = await PgBouncer.StartAsync(ground.Postgres, ct);
        return new PsycopgPeer(Bounced, ground, bouncer.Dsn, bouncer);
    }

    public override IEnumerable<Contestant> Contestants(Work work) => work.Kind
        is WorkKind.PointSelect or WorkKind.Page or WorkKind.Update or WorkKind.Transaction
        ?
        [
            new Contestant(
                _name,
                Server: null,
                (clients, duration, ct) => _own.MeasureAsync(() => RunAsync(work, clients, duration, ct)))
            {
                AskAsync = (account, ct) => AskAsync(work, account, ct),
                Effect = work.Effect,
            },
        ]
        : [];

    public override async ValueTask DisposeAsync()
    {
        await _program.DisposeAsync();
        if (_bouncer is not null)
            await _bouncer.DisposeAsync();
    }

    private async Task<LoadResult> RunAsync(Work work, int clients, TimeSpan duration, CancellationToken ct)
    {
        var command = string.Create(CultureInfo.InvariantCulture, $"run {work.Name} {clients} {duration.TotalSeconds}");
        var result = JsonSerializer.Deserialize<LoadResult>(
            await _program.AskAsync(command, duration, ct), JsonSerializerOptions.Web)!;
        return result is { Errors: 0, Requests: > 0 }
            ? result
            : throw new InvalidOperationException(
                $"{_name}: {result.Errors} activities failed, {result.Requests} succeeded.");
    }

    private async Task<JsonArray> AskAsync(Work work, int account, CancellationToken ct)
    {
        var command = string.Create(CultureInfo.InvariantCulture, $"ask {work.Name} {account}");
        return JsonNode.Parse(await _program.AskAsync(command, TimeSpan.Zero, ct))!.AsArray();
    }
}
