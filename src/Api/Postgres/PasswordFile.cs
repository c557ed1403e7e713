using Gateway.Api.Dsns;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents a mounted file with a connection's password. It is read again for each new session, so that a new
/// password in the file needs no restart.
/// </summary>
/// <param name="path">The file's path.</param>
/// <param name="password">The password that the file had at the start.</param>
/// <param name="log">Gets one warning when the file can't be read any more.</param>
internal sealed partial class PasswordFile(string path, string password, ILogger<PasswordFile> log)
{
    private volatile string _last = password;
    private int _isUnreadable;

    /// <summary>Returns the password in a file, without line breaks at the end.</summary>
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

    /// <summary>
    /// Reads the file again and returns the password. If the file can't be read, returns the last password, which is
    /// most likely still valid.
    /// </summary>
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

    [LoggerMessage(
        22,
        LogLevel.Warning,
        "A password's file can't be read any more; the password that it held stays in use: {Reason}")]
    private partial void Unreadable(string reason);
}
