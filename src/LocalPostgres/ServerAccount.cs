namespace Gateway.LocalPostgres;

/// <summary>
/// Represents the user that the server runs as: ourselves or, if we are root, another user, since <c>initdb</c> and
/// <c>postgres</c> refuse to run as root.
/// </summary>
/// <param name="Name">The other user's name; empty for ourselves.</param>
/// <param name="Prefix">The command that runs another command as that user.</param>
internal sealed record ServerAccount(string Name, IReadOnlyList<string> Prefix)
{
    public static readonly ServerAccount Ourselves = new("", []);

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public bool IsOther => Name.Length > 0;

    public static async Task<ServerAccount> FindAsync(CancellationToken ct)
    {
        if (!Environment.IsPrivilegedProcess)
            return Ourselves;

        var reason = "there is no user postgres or nobody";
        foreach (var name in (string[])["postgres", "nobody"])
        {
            var uid = await Command.RunAsync(["id", "-u", name], Limit, ct);
            var gid = await Command.RunAsync(["id", "-g", name], Limit, ct);
            if (!uid.Succeeded || !gid.Succeeded)
                continue;

            string[] setpriv = ["setpriv", "--reuid", uid.LastLine, "--regid", gid.LastLine, "--clear-groups", "--"];
            foreach (var prefix in (string[][])[setpriv, ["runuser", "-u", name, "--"]])
            {
                // Tested by running it: the setpriv of a small system lacks these options.
                var run = await Command.RunAsync([.. prefix, "true"], Limit, ct);
                if (run.Succeeded)
                    return new ServerAccount(name, prefix);
                reason = $"{prefix[0]} can't switch to the user {name}: {run.LastLine}";
            }
        }

        throw new LocalPostgresException(
            $"PostgreSQL refuses to run as root, and {reason}: run as an ordinary user, or set DSN.");
    }

    public IReadOnlyList<string> Wrap(params IEnumerable<string> command) => [.. Prefix, .. command];

    /// <summary>Returns whether the account may enter an existing folder.</summary>
    public async Task<bool> CanEnterAsync(string folder, CancellationToken ct) =>
        !IsOther || (await Command.RunAsync(Wrap("sh", "-c", "[ -x \"$1\" ]", "sh", folder), Limit, ct)).Succeeded;

    /// <summary>Gives a file or a whole folder to the account.</summary>
    public async Task OwnAsync(string path, CancellationToken ct)
    {
        if (!IsOther)
            return;
        // -h: changes the owner of a link, not of its target.
        var run = await Command.RunAsync(["chown", "-R", "-h", Name, path], TimeSpan.FromMinutes(1), ct);
        if (!run.Succeeded)
            throw new LocalPostgresException($"{path} can't be given to the user {Name}: {run.LastLine}");
    }
}
