using Gateway.Api.Dsns;

namespace Gateway.Api.Postgres;

/// <summary>
/// A mounted file that holds a connection's password, read again for each new session: who changes the password changes the file,
/// and no replica is restarted.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="password">What it held at the start.</param>
/// <param name="log">Is told once where it can't be read any more.</param>
internal sealed partial class PasswordFile(string path, string password, ILogger<PasswordFile> log)
{
    private volatile string _last = password;
    private int _isUnreadable;

    /// <summary>Reads a file; a line break at its end is not the password's.</summary>
    /// <exception cref="DsnException">The path is empty, or the file can't be read or is empty.</exception>
    public static string Read(string path)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new DsnException(["it is set and empty: name the file, or leave the setting out."]);
        try
        {
            return File.ReadAllText(path).TrimEnd('\r', '\n') is { Length: > 0 } password
                ? password
                : throw new DsnException([$"{path} is empty; it is to hold the password and nothing else."]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DsnException([$"{path} can't be read: {error.Message}"]);
        }
    }

    /// <summary>The password as the file has it now; where it can't be read, the one that it had last, which is most likely still good.</summary>
    public string ReadAgain()
    {
        try
        {
            _last = Read(path);
            _isUnreadable = 0;
        }
        catch (DsnException error)
        {
            if (Interlocked.Exchange(ref _isUnreadable, 1) == 0)
                Unreadable(error.Message);
        }
        return _last;
    }

    [LoggerMessage(22, LogLevel.Warning, "A password's file can't be read any more; the password that it held stays in use: {Reason}")]
    private partial void Unreadable(string reason);
}
