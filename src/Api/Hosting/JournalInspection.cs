using System.Globalization;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.Hosting;

/// <summary>
/// The commands <c>journal status</c> and <c>journal purge</c>: they show what a connection's journal holds, and delete
/// its expired records. They use the connection's own DSNs.
/// </summary>
internal sealed class JournalInspection : IAsyncDisposable
{
    private const double Mebibyte = 1 << 20;

    private readonly string _name;
    private readonly string _role;
    private readonly string _server;
    private readonly JournalSessions _sessions;
    private readonly ActivityJournal _journal;

    /// <param name="name">The connection's name.</param>
    /// <param name="dsn">Its DSNs.</param>
    /// <param name="role">The role that callers' SQL runs as.</param>
    public JournalInspection(string name, ConnectionDsn dsn, string role)
    {
        (_name, _role, _server) = (name, role, Dsn.Describe((dsn.Control ?? dsn).Value));
        _sessions = new JournalSessions(dsn, role);
        _journal = _sessions.Journal;
    }

    /// <summary>Prints the journal's state, and what it holds.</summary>
    /// <returns>The exit code: 0 if exactly-once writes work.</returns>
    /// <exception cref="StartupException">The server can't be reached, or refuses.</exception>
    public Task<int> PrintStatusAsync(TextWriter output) => AskAsync(async () =>
    {
        var state = await _journal.LookAsync(CancellationToken.None);
        var version = _journal.Version is { } installed ? $", version {installed}" : "";
        await output.WriteLineAsync(
            $"journal: {state.Name()}{version} (this gateway has version {JournalScript.Version})");
        await output.WriteLineAsync($"connection: {_name} ({_server})");
        if (await _journal.ReadContentsAsync(CancellationToken.None) is { } contents)
        {
            var (open, _) = await _sessions.Control.AskAsync(
                (session, ending) => OpenTransaction.ReadAsync(session, _role, ending), CancellationToken.None);
            var oldest = contents.Oldest?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "none";
            var about = contents.IsEstimate ? "about " : "";
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"""
                records: {about}{contents.Records}
                expired: {contents.Expired}
                size: {contents.Bytes / Mebibyte:0.0} MiB
                oldest: {oldest}
                open transactions of role "{_role}": {open.Count}
                """));
        }
        if (state.IsUsable())
            return 0;
        await output.WriteLineAsync(ActivityJournal.Missing(_name, state).Message);
        return 1;
    });

    /// <summary>Deletes the expired records, and prints their number.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartupException">
    /// The server can't be reached, or refuses; or there is no journal that the connection can use.
    /// </exception>
    public Task<int> PurgeAsync(TextWriter output) => AskAsync(async () =>
    {
        var state = await _journal.LookAsync(CancellationToken.None);
        if (!state.IsUsable())
            throw new StartupException(ActivityJournal.Missing(_name, state).Message);
        var deleted = await _journal.PurgeAsync(CancellationToken.None);
        await output.WriteLineAsync($"Deleted {deleted} expired records of connection \"{_name}\".");
        return 0;
    });

    public ValueTask DisposeAsync() => _sessions.DisposeAsync();

    private async Task<int> AskAsync(Func<Task<int>> ask)
    {
        try
        {
            return await ask();
        }
        catch (NpgsqlException error)
        {
            var reason = error is PostgresException refusal
                ? refusal.MessageText
                : (error.InnerException ?? error).Message.ReplaceLineEndings(" ").TrimEnd('.');
            throw new StartupException($"The journal of connection \"{_name}\" ({_server}): {reason}.", error);
        }
    }
}
