namespace Gateway.LocalPostgres;

/// <summary>
/// Represents an exclusive lock on a file. The kernel releases it when the process ends, even if it is killed, so a
/// free lock means that its last owner has ended.
/// </summary>
internal sealed class OwnerLock : IDisposable
{
    public const string FileName = "owner.lock";

    private readonly FileStream _file;

    private OwnerLock(FileStream file) => _file = file;

    /// <summary>Takes the lock. Returns null if another process, or another server of this process, has it.</summary>
    public static OwnerLock? TryTake(string path)
    {
        try
        {
            return new OwnerLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e) when (e.HResult is 11 or 35)
        {
            // EWOULDBLOCK, on Linux and on macOS.
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new LocalPostgresException(
                $"{path} belongs to another user: run as that user, delete its folder, or set DSN.", e);
        }
    }

    /// <summary>Waits until the lock is free.</summary>
    public static async Task<OwnerLock> TakeAsync(string path, Action onWait, CancellationToken ct)
    {
        for (var waited = false; ; waited = true)
        {
            if (TryTake(path) is { } taken)
                return taken;
            if (!waited)
                onWait();
            await Task.Delay(50, ct);
        }
    }

    public void Dispose() => _file.Dispose();
}
