using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace Gateway.LocalPostgres;

/// <summary>
/// Represents a private PostgreSQL server, on loopback only, for Development and for tests. It ends with the process
/// that started it, even if that is killed.
/// </summary>
public sealed class LocalPostgresServer : IAsyncDisposable
{
    internal const string Loopback = "127.0.0.1";
    internal const string Superuser = "postgres";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly LocalPostgresOptions _options;
    private readonly ServerFolder _folder;
    private readonly OwnerLock _lock;
    private readonly SemaphoreSlim _turn = new(1);
    private IServerSource? _source;
    private ServerProcess? _process;
    private bool _disposed;

    private LocalPostgresServer(LocalPostgresOptions options, ServerFolder folder, OwnerLock ownerLock)
    {
        _options = options;
        _folder = folder;
        _lock = ownerLock;
    }

    public string Host { get; } = Loopback;

    /// <summary>Gets the port: a free one, chosen at the first start and kept by later starts of this object.</summary>
    public int Port { get; private set; }

    /// <summary>Gets the superuser's name.</summary>
    public string Username { get; } = Superuser;

    /// <summary>Gets the superuser's password: random letters and digits.</summary>
    public string Password { get; private set; } = "";

    public string Database { get; } = Superuser;

    /// <summary>Gets a <c>postgresql://</c> URI for the superuser.</summary>
    public string Dsn => string.Create(
        CultureInfo.InvariantCulture, $"postgresql://{Username}:{Password}@{Host}:{Port}/{Database}");

    /// <summary>Gets the major version, such as 17.</summary>
    public int ServerVersion => _source!.ServerVersion;

    /// <summary>Gets the server's source, as a phrase for people.</summary>
    public string Way => _source!.Way;

    /// <summary>Gets the folder in use. As root it may be another one than the requested one.</summary>
    public string Folder => _folder.Path;

    /// <summary>Gets the path of the server's log file.</summary>
    public string LogFile => _folder.Log;

    /// <summary>Gets the server's source.</summary>
    internal IServerSource Source => _source!;

    /// <summary>Gets the process ID of the watchdog.</summary>
    internal int WatchdogId => _process!.Id;

    /// <summary>Starts a server, and returns when it accepts connections.</summary>
    /// <exception cref="LocalPostgresException">The server can't be started; the message contains the fix.</exception>
    public static async Task<LocalPostgresServer> StartAsync(
        LocalPostgresOptions options, CancellationToken ct = default)
    {
        var account = await AccountAsync(ct);
        var folder = await ServerFolder.ReachableAsync(options.Folder, account, options.Say, ct);
        var ownerLock = OwnerLock.TryTake(folder.Lock) ?? throw new LocalPostgresException(
            $"Another gateway is using the private PostgreSQL in {folder.Path}: stop it, or set DSN.");
        return await StartOwnedAsync(options, folder, ownerLock, account, ct);
    }

    /// <summary>
    /// Starts an empty server in its own folder, for tests. It runs without fsync, so it is fast, and keeps committed
    /// data through <see cref="ShutdownMode.Immediate"/>, but not through a power failure. Folders of killed test runs
    /// are deleted.
    /// </summary>
    /// <param name="settings">Settings for <c>postgresql.conf</c>; they override those for tests.</param>
    /// <param name="progress">See <see cref="LocalPostgresOptions.Progress"/>.</param>
    /// <param name="ct">Cancels the start; nothing keeps running.</param>
    /// <exception cref="LocalPostgresException">The server can't be started; the message contains the fix.</exception>
    public static Task<LocalPostgresServer> StartTemporaryAsync(
        IReadOnlyDictionary<string, string>? settings = null,
        Action<string>? progress = null,
        CancellationToken ct = default) =>
        StartTemporaryAsync(new ServerSearch(), settings, progress, ct);

    internal static async Task<LocalPostgresServer> StartTemporaryAsync(
        ServerSearch search,
        IReadOnlyDictionary<string, string>? settings,
        Action<string>? progress,
        CancellationToken ct)
    {
        var all = new Dictionary<string, string>
        {
            ["fsync"] = "off",
            ["full_page_writes"] = "off",
            // A session loads the compiler for its first query of some cost, which takes longer than the query.
            ["jit"] = "off",
        };
        foreach (var (name, value) in settings ?? new Dictionary<string, string>())
            all[name] = value;

        var account = await AccountAsync(ct);
        var (folder, ownerLock) = await TemporaryFolders.TakeAsync(account, ct);
        var options = new LocalPostgresOptions
        {
            Folder = folder.Path,
            Settings = all,
            Progress = progress,
            Search = search,
        };
        return await StartOwnedAsync(options, folder, ownerLock, account, ct);
    }

    /// <summary>Stops the server. Its port, data and password are kept for <see cref="StartAgainAsync"/>.</summary>
    public async Task StopAsync(ShutdownMode mode = ShutdownMode.Fast)
    {
        await _turn.WaitAsync();
        try
        {
            await StopProcessAsync(mode);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Starts a stopped server on the same port and data; does nothing if it runs.</summary>
    /// <exception cref="LocalPostgresException">The server does not start.</exception>
    public async Task StartAgainAsync(CancellationToken ct = default)
    {
        await _turn.WaitAsync(ct);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_process is not { HasExited: false })
                await StartProcessAsync(ct);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Stops the server and starts it on the same port and data.</summary>
    public async Task RestartAsync(ShutdownMode mode = ShutdownMode.Fast, CancellationToken ct = default)
    {
        await StopAsync(mode);
        await StartAgainAsync(ct);
    }

    /// <summary>Stops the server, and deletes its folder unless the data is kept.</summary>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync();
        try
        {
            if (_disposed)
                return;
            _disposed = true;
            // Data that is about to be deleted needs no checkpoint.
            await StopProcessAsync(_options.KeepData ? ShutdownMode.Fast : ShutdownMode.Immediate);
            if (!_options.KeepData)
            {
                await DockerServer.DeleteDataAsync(_folder, CancellationToken.None);
                await _folder.DeleteAsync();
            }
        }
        finally
        {
            _lock.Dispose();
            _turn.Release();
        }
    }

    private static Task<ServerAccount> AccountAsync(CancellationToken ct) => OperatingSystem.IsWindows()
        ? throw new LocalPostgresException("A private PostgreSQL can't be started on Windows: use WSL, or set DSN.")
        : ServerAccount.FindAsync(ct);

    private static async Task<LocalPostgresServer> StartOwnedAsync(
        LocalPostgresOptions options,
        ServerFolder folder,
        OwnerLock ownerLock,
        ServerAccount account,
        CancellationToken ct)
    {
        var server = new LocalPostgresServer(options, folder, ownerLock);
        try
        {
            await server.StartFirstAsync(account, ct);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    private async Task StartFirstAsync(ServerAccount account, CancellationToken ct)
    {
        // 1. Stop servers of earlier owners, and delete their data unless it is kept. We have the lock.
        await StaleServer.StopAsync(_folder.Data, ct);
        if (!_options.KeepData)
        {
            await DockerServer.DeleteDataAsync(_folder, ct);
            await _folder.ClearAsync();
        }

        // 2. Find a source.
        _source = await _options.Search.FindAsync(account, _options.Say, ct);

        // 3. Read or create the password, which is needed to create the data.
        if (File.Exists(_folder.Password))
            Password = (await File.ReadAllTextAsync(_folder.Password, ct)).Trim();
        if (Password.Length == 0)
        {
            if (Directory.Exists(_folder.Data) || File.Exists(_folder.Docker))
            {
                throw new LocalPostgresException(
                    $"The password of the private PostgreSQL is gone from {_folder.Password}: delete the folder "
                    + $"{_folder.Path} to start anew, or set DSN.");
            }
            Password = RandomNumberGenerator.GetHexString(32, lowercase: true);
            await ServerFolder.WritePrivateAsync(_folder.Password, Password, ct);
        }

        // 4. Prepare the data, and an empty log that the server's account can write.
        var durable = _options.Settings.GetValueOrDefault("fsync") != "off";
        await _source.PrepareAsync(_folder, durable, ct);
        await ServerFolder.WritePrivateAsync(_folder.Log, "", ct);
        await _source.Account.OwnAsync(_folder.Log, ct);

        // 5. Start the server.
        await StartProcessAsync(ct);
    }

    /// <summary>
    /// Starts the server's process. Another process may take the port after it was found free. Then the first start
    /// tries another port, and a later start waits for its own.
    /// </summary>
    private async Task StartProcessAsync(CancellationToken ct)
    {
        var first = Port == 0;
        for (var attempt = 1; ; attempt++)
        {
            // The previous owner's watchdog may have just started a server, or our own watchdog was killed.
            await _source!.RemoveLeftoversAsync(_folder, ct);
            _process?.Dispose();
            var port = first ? _options.PickPort() : Port;
            var command = await _source.CommandAsync(_folder, port, _options.Settings, ct);
            var logged = new FileInfo(_folder.Log).Length;
            _process = ServerProcess.Start(_source.Account, command, _folder.Log);
            try
            {
                if (await TakesConnectionsAsync(port, ct))
                {
                    _source.Accepted(_folder);
                    Port = port;
                    return;
                }
            }
            catch (OperationCanceledException)
            {
                await StopProcessAsync(ShutdownMode.Immediate);
                throw;
            }

            var ended = _process.HasExited;
            await StopProcessAsync(ShutdownMode.Immediate);
            var log = await LogFromAsync(logged);
            if (!ended || attempt == 10 || !IsPassing(log))
            {
                var what = ended ? "ended while starting" : $"took no connections within {StartLimit.TotalSeconds:0} s";
                var lines = log.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(10);
                throw new LocalPostgresException(
                    $"The private PostgreSQL in {_folder.Path} ({Way}) {what}; mend it, delete that folder, or set "
                    + $"DSN. Its log ends: {string.Join('\n', lines)}");
            }
            if (!first)
                await Task.Delay(200, ct);
        }
    }

    /// <summary>Returns whether the server accepts connections; false if it has ended, or the time is up.</summary>
    private async Task<bool> TakesConnectionsAsync(int port, CancellationToken ct)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < StartLimit && !_process!.HasExited;)
        {
            if (_source!.SaysReady(_folder) && await ServerProbe.AnswersAsync(port, ct))
                return true;
            await Task.Delay(20, ct);
        }
        return false;
    }

    private async Task StopProcessAsync(ShutdownMode mode)
    {
        if (_process is null)
            return;
        await _process.StopAsync(mode);
        _process.Dispose();
        _process = null;
        await _source!.RemoveLeftoversAsync(_folder, CancellationToken.None);
    }

    private async Task<string> LogFromAsync(long start)
    {
        await using var file = new FileStream(_folder.Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Position = start;
        using var reader = new StreamReader(file);
        return await reader.ReadToEndAsync();
    }

    /// <summary>
    /// Returns whether another attempt can succeed: the port was in use, or a dead owner's server was starting.
    /// </summary>
    private static bool IsPassing(string log) =>
        ((string[])["address already in use", "port is already allocated", "\"postmaster.pid\" already exists"])
        .Any(words => log.Contains(words, StringComparison.OrdinalIgnoreCase));
}
