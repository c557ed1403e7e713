using System.Globalization;
using Gateway.LocalPostgres;

namespace Gateway.Streams;

/// <summary>
/// Runs <c>psql</c>, which writes rows to <c>/dev/null</c>, any number of times. A shell starts it each time, so that
/// its CPU time can be read after it has ended. The shell ends with this process, even if this process is killed.
/// </summary>
internal sealed class PsqlProcess : IAsyncDisposable
{
    private const string Right = "right";

    private const string Keeper =
        $"""trap '' INT; while read -r _; do "$@" >/dev/null && echo {Right} || echo wrong; done""";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly LineProcess _keeper;

    /// <param name="postgres">The server.</param>
    /// <param name="sql">The statement to run.</param>
    /// <exception cref="InvalidOperationException">psql is not installed.</exception>
    public PsqlProcess(LocalPostgresServer postgres, string sql) => _keeper = new LineProcess(
        [
            "sh", "-c", Keeper, "sh", InstalledProgram.FindOf(postgres, "psql"), "--no-psqlrc", "--host", postgres.Host,
            "--port", postgres.Port.ToString(CultureInfo.InvariantCulture),
            "--username", postgres.Username, "--dbname", postgres.Database, "--command", sql,
        ],
        ("PGPASSWORD", postgres.Password));

    /// <summary>Gets psql's CPU time so far in seconds; NaN if that can't be read.</summary>
    public double ProcessorSeconds => ProcessorTime.OfTree(_keeper.Id);

    /// <summary>Runs psql once.</summary>
    /// <exception cref="InvalidOperationException">psql has failed.</exception>
    public async Task RunAsync(CancellationToken ct)
    {
        if (await _keeper.AskAsync("", Patience, ct) != Right)
            throw new InvalidOperationException("psql has failed.");
    }

    public ValueTask DisposeAsync() => _keeper.DisposeAsync();
}
