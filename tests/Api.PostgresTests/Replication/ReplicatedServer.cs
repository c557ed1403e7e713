using System.Diagnostics;
using Npgsql;

namespace Gateway.Api.PostgresTests.Replication;

/// <summary>
/// Provides a primary and a standby that replicates it, for the tests of a class. The standby is a copy of the stopped
/// primary.
/// </summary>
public sealed class ReplicatedServer : IAsyncLifetime
{
    /// <summary>The name of the standby in <c>synchronous_standby_names</c>.</summary>
    public const string StandbyName = "standby";

    public LocalPostgresServer Primary { get; private set; } = null!;

    public LocalPostgresServer Standby { get; private set; } = null!;

    /// <summary>Gets the DSN of the primary's superuser, in Npgsql's form.</summary>
    public string Dsn => Dsns.Dsn.Parse(Primary.Dsn).ConnectionString;

    /// <summary>Gets the same for the standby.</summary>
    public string StandbyDsn => new NpgsqlConnectionStringBuilder(Dsn) { Port = Standby.Port }.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        var settings = new Dictionary<string, string>
        {
            // Short delays, so that a test need not wait for them.
            ["wal_retrieve_retry_interval"] = "100ms",
            ["wal_receiver_status_interval"] = "1s",
        };
        Primary = await LocalPostgresServer.StartTemporaryAsync(settings);
        Standby = await LocalPostgresServer.StartTemporaryAsync(settings);
        await Primary.StopAsync();
        await Standby.StopAsync();
        await CopyAsync(DataOf(Primary), DataOf(Standby));
        await Primary.StartAgainAsync();
        await Standby.StartAgainAsync();
        await Poll.UntilAsync(
            async () => await ReadAsync<bool>(Dsn, "SELECT EXISTS (SELECT FROM pg_stat_replication)"));
    }

    public async ValueTask DisposeAsync()
    {
        await Standby.DisposeAsync();
        await Primary.DisposeAsync();
    }

    /// <summary>Returns a DSN that names both servers.</summary>
    /// <param name="dsn">A DSN of the primary.</param>
    /// <param name="attributes">Which server is meant; null for any.</param>
    public string OfBoth(string dsn, string? attributes)
    {
        var both = new NpgsqlConnectionStringBuilder(dsn)
        {
            Host = $"{Primary.Host}:{Primary.Port},{Standby.Host}:{Standby.Port}",
            TargetSessionAttributes = attributes,
        };
        both.Remove("Port");
        return both.ConnectionString;
    }

    /// <summary>Stops the replay on the standby, or goes on. It still receives and stores the log.</summary>
    public async Task PauseReplayAsync(bool isPaused)
    {
        await GatewayFixture.ExecuteAsync(StandbyDsn, $"SELECT pg_wal_replay_{(isPaused ? "pause" : "resume")}()");
        // Asks for the pause; the replay stops a moment later.
        var state = isPaused ? "paused" : "not paused";
        await Poll.UntilAsync(
            async () => await ReadAsync<string>(StandbyDsn, "SELECT pg_get_wal_replay_pause_state()") == state);
    }

    /// <summary>Waits until the standby has replayed all that the primary has written.</summary>
    public async Task CatchUpAsync()
    {
        var lsn = await ReadAsync<string>(Dsn, "SELECT pg_current_wal_flush_lsn()::text");
        await Poll.UntilAsync(
            async () => await ReadAsync<bool>(StandbyDsn, $"SELECT pg_last_wal_replay_lsn() >= '{lsn}'"));
    }

    /// <summary>Sets which standbys COMMIT waits for, and waits until that is in force.</summary>
    public async Task SetSynchronousAsync(string names)
    {
        await GatewayFixture.ExecuteAsync(Dsn, $"ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        await GatewayFixture.ExecuteAsync(Dsn, "SELECT pg_reload_conf()");
        // The standby's state shows what the processes of the server do, and not only what one session has read.
        var state = names.Length > 0 ? "sync" : "async";
        await Poll.UntilAsync(async () => await ReadAsync<bool>(
            Dsn,
            $"SELECT current_setting('synchronous_standby_names') = '{names}' "
            + $"AND coalesce((SELECT sync_state FROM pg_stat_replication), '{state}') = '{state}'"));
    }

    public static async Task<T> ReadAsync<T>(string dsn, string sql)
    {
        await using var session = await GatewayFixture.OpenAsync(dsn);
        await using var command = new NpgsqlCommand(sql, session);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private static string DataOf(LocalPostgresServer server) => Path.Combine(server.Folder, "data");

    /// <summary>Replaces the standby's data by a copy of the primary's, with the same owner.</summary>
    private async Task CopyAsync(string from, string to)
    {
        Directory.Delete(to, recursive: true);
        // -a keeps the owner: the tests may run as root, and the server runs as another user.
        using var copy = Process.Start("cp", ["-a", from, to]);
        await copy.WaitForExitAsync();
        Assert.Equal(0, copy.ExitCode);
        File.Delete(Path.Combine(to, "postmaster.pid"));
        await File.WriteAllTextAsync(Path.Combine(to, "standby.signal"), "");
        await File.AppendAllTextAsync(
            Path.Combine(to, "postgresql.auto.conf"),
            $"primary_conninfo = 'host={Primary.Host} port={Primary.Port} user={Primary.Username} "
            + $"password={Primary.Password} application_name={StandbyName}'\n");
    }
}
