using System.Globalization;
using Gateway.LocalPostgres;

namespace Gateway.Streams;

/// <summary>
/// <c>psql</c>, which writes rows to nowhere as often as it is asked to. A shell starts it each time, so that what it has
/// spent on processors can be seen when it has ended. The shell ends with this process, however that ends.
/// </summary>
internal sealed class PsqlProcess : IAsyncDisposable
{
    private const string Right = "right";

    private const string Keeper = $"""trap '' INT; while read -r _; do "$@" >/dev/null && echo {Right} || echo wrong; done""";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly LineProcess _keeper;

    /// <param name="postgres">The server.</param>
    /// <param name="sql">What to run.</param>
    /// <exception cref="InvalidOperationException">There is no psql on this machine.</exception>
    public PsqlProcess(LocalPostgresServer postgres, string sql) => _keeper = new LineProcess(
        [
            "sh", "-c", Keeper, "sh", InstalledProgram.FindOf(postgres, "psql"), "--no-psqlrc", "--host", postgres.Host,
            "--port", postgres.Port.ToString(CultureInfo.InvariantCulture),
            "--username", postgres.Username, "--dbname", postgres.Database, "--command", sql,
        ],
        ("PGPASSWORD", postgres.Password));

    /// <summary>What it has spent on processors, in seconds; NaN where that can't be seen.</summary>
    public double ProcessorSeconds => ProcessorTime.OfTree(_keeper.Id);

    /// <exception cref="InvalidOperationException">It has failed.</exception>
    public async Task RunAsync(CancellationToken ct)
    {
        if (await _keeper.AskAsync("", Patience, ct) != Right)
            throw new InvalidOperationException("psql has failed.");
    }

    public ValueTask DisposeAsync() => _keeper.DisposeAsync();
}
