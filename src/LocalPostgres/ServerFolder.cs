using System.Security.Cryptography;
using System.Text;

namespace Gateway.LocalPostgres;

/// <summary>
/// The paths in a server's folder. As root the folder belongs to root, and only <c>data</c> and <c>server.log</c>
/// belong to the server's account: root must not write into a folder where another user can create links.
/// </summary>
internal sealed record ServerFolder(string Path)
{
    public string Data => In("data");

    /// <summary>Gets the prefix of the folders in which initdb works until they are complete.</summary>
    public string NewData => In("data.new-");
    public string Configuration => In("postgresql.conf");
    public string Password => In("password");
    public string Log => In("server.log");
    public string Lock => In(OwnerLock.FileName);

    /// <summary>
    /// Gets the file that exists if the data is in Docker. It contains <c>whole</c> once a server has accepted
    /// connections.
    /// </summary>
    public string Docker => In("docker");

    /// <summary>
    /// Returns the requested folder, or if the account can't reach it, another folder that always replaces it.
    /// </summary>
    public static async Task<ServerFolder> ReachableAsync(
        string requested, ServerAccount account, Action<string> say, CancellationToken ct)
    {
        var folder = System.IO.Path.GetFullPath(requested);
        var existing = folder;
        while (!Directory.Exists(existing))
            existing = System.IO.Path.GetDirectoryName(existing)!;

        if (!await account.CanEnterAsync(existing, ct))
        {
            var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(folder)));
            var instead = System.IO.Path.Combine(await SharedAsync(account, ct), "for-" + digest[..16]);
            say($"The user {account.Name}, which PostgreSQL runs as, can't enter {existing}: using {instead} instead.");
            folder = instead;
        }

        try
        {
            Create(folder, account);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new LocalPostgresException(
                $"The private PostgreSQL's folder {folder} can't be made ({e.Message}): make it writable, or "
                + "set DSN.", e);
        }
        return new ServerFolder(folder);
    }

    /// <summary>
    /// Returns <c>TEMP/gateway-postgres-USER</c>, which contains npm's binaries, the servers of tests, and replacements
    /// for folders that can't be reached. Binaries run from here, so a folder that others can write to is refused.
    /// </summary>
    public static async Task<string> SharedAsync(ServerAccount account, CancellationToken ct)
    {
        var parent = "/tmp";
        foreach (var candidate in (string[])[System.IO.Path.GetTempPath(), "/tmp", "/var/tmp"])
        {
            if (Directory.Exists(candidate) && await account.CanEnterAsync(candidate, ct))
            {
                parent = candidate;
                break;
            }
        }

        var user = string.Concat(Environment.UserName.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
        var shared = System.IO.Path.Combine(parent, "gateway-postgres-" + user);
        Create(shared, account);
        await RefuseUnlessOursAsync(shared, ct);
        return shared;
    }

    /// <summary>Throws if the folder is a link, belongs to another user, or can be written by others.</summary>
    public static async Task RefuseUnlessOursAsync(string folder, CancellationToken ct)
    {
        var ours = await Command.RunAsync(
            ["sh", "-c", "[ -O \"$1\" ] && [ ! -L \"$1\" ]", "sh", folder], TimeSpan.FromSeconds(10), ct);
        var writable = File.GetUnixFileMode(folder) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        if (!ours.Succeeded || writable != 0)
            throw new LocalPostgresException($"Others can write to {folder}: delete it, or set TMPDIR or DSN.");
    }

    /// <summary>Creates a folder and its missing parents, so that the account can enter each.</summary>
    public static void Create(string folder, ServerAccount account)
    {
        if (Directory.Exists(folder))
            return;
        if (System.IO.Path.GetDirectoryName(folder) is { } parent)
            Create(parent, account);
        Directory.CreateDirectory(folder);
        // Set after the creation too, because the umask applies to that.
        const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        File.SetUnixFileMode(folder, account.IsOther
            ? Own | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute
            : Own);
    }

    /// <summary>Writes a file that only its owner can read.</summary>
    public static async Task WritePrivateAsync(string path, string text, CancellationToken ct)
    {
        File.Delete(path);
        await using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await file.WriteAsync(Encoding.UTF8.GetBytes(text), ct);
    }

    /// <summary>Deletes a server's files only: the folder may contain others.</summary>
    public async Task ClearAsync()
    {
        await DeleteNewDataAsync();
        await DeleteTreeAsync(Data);
        foreach (var file in (string[])[Configuration, Password, Log, Docker])
            File.Delete(file);
    }

    public async Task DeleteNewDataAsync()
    {
        foreach (var folder in Directory.GetDirectories(Path, System.IO.Path.GetFileName(NewData) + "*"))
            await DeleteTreeAsync(folder);
    }

    /// <summary>Clears the folder, and deletes it if nothing else is in it. The lock must still be held.</summary>
    public async Task DeleteAsync()
    {
        await ClearAsync();
        File.Delete(Lock);
        if (!Directory.EnumerateFileSystemEntries(Path).Any())
            await DeleteTreeAsync(Path);
    }

    /// <summary>
    /// Deletes a folder. Retries, because a process that was just killed may still write into it for a moment.
    /// </summary>
    public static async Task DeleteTreeAsync(string folder)
    {
        for (var attempt = 1; Directory.Exists(folder); attempt++)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (IOException) when (attempt < 20)
            {
                await Task.Delay(50);
            }
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
