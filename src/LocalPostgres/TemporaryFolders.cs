namespace Gateway.LocalPostgres;

/// <summary>The folders of tests' servers: one for each start, gone with it, or swept up by a later one.</summary>
internal static class TemporaryFolders
{
    /// <summary>Deletes folders of dead owners, and makes and locks a new one.</summary>
    public static async Task<(ServerFolder Folder, OwnerLock Lock)> TakeAsync(
        ServerAccount account, CancellationToken ct)
    {
        var parent = Path.Combine(await ServerFolder.SharedAsync(account, ct), "tests");
        ServerFolder.Create(parent, account);

        // One at a time: a new folder must not be swept up before it is locked.
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
            // Its owner has just deleted it.
        }
    }
}
