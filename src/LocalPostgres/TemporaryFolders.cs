namespace Gateway.LocalPostgres;

/// <summary>
/// The folders of the servers of tests: one for each start. It is deleted with the server, or else by a later start.
/// </summary>
internal static class TemporaryFolders
{
    /// <summary>Deletes the folders of owners that have ended, and creates and locks a new one.</summary>
    public static async Task<(ServerFolder Folder, OwnerLock Lock)> TakeAsync(
        ServerAccount account, CancellationToken ct)
    {
        var parent = Path.Combine(await ServerFolder.SharedAsync(account, ct), "tests");
        ServerFolder.Create(parent, account);

        // One process at a time: a new folder must not be deleted before it is locked.
        using var turn = await OwnerLock.TakeAsync(parent + ".lock", () => { }, ct);
        foreach (var left in Directory.GetDirectories(parent))
            await SweepAsync(new ServerFolder(left), ct);

        var folder = new ServerFolder(Path.Combine(parent, Guid.NewGuid().ToString("N")[..12]));
        ServerFolder.Create(folder.Path, account);
        return (folder, OwnerLock.TryTake(folder.Lock)!);
    }

    private static async Task SweepAsync(ServerFolder folder, CancellationToken ct)
    {
        try
        {
            using var dead = OwnerLock.TryTake(folder.Lock);
            if (dead is null)
                return;
            await StaleServer.StopAsync(folder.Data, ct);
            await DockerServer.DeleteDataAsync(folder, ct);
            await ServerFolder.DeleteTreeAsync(folder.Path);
        }
        catch (DirectoryNotFoundException)
        {
            // Its owner has just deleted the folder.
        }
    }
}
