namespace Gateway.LocalPostgres;

/// <summary>
/// Starts the PostgreSQL of the gateway's Development. <c>src/Api</c> finds this class by its name: it does not refer to
/// this assembly, which is not published.
/// </summary>
public static class DevelopmentServer
{
    /// <summary>Starts a server that keeps its data, and returns when it takes connections.</summary>
    /// <param name="folder">As <see cref="LocalPostgresOptions.Folder"/>.</param>
    /// <param name="progress">As <see cref="LocalPostgresOptions.Progress"/>.</param>
    /// <returns>The server, which stops when it is disposed of, and its superuser's DSN.</returns>
    /// <exception cref="LocalPostgresException">It can't be started; the message says what to do.</exception>
    public static async Task<(IAsyncDisposable Server, string Dsn)> StartAsync(string folder, Action<string> progress)
    {
        var server = await LocalPostgresServer.StartAsync(
            new LocalPostgresOptions { Folder = folder, KeepData = true, Progress = progress });
        return (server, server.Dsn);
    }
}
