using System.Globalization;

namespace Gateway.LocalPostgres;

/// <summary>
/// Creates the data directory, completely or not at all, with a superuser that has a random password.
/// </summary>
internal static class DataDirectory
{
    public static async Task PrepareAsync(
        ServerFolder folder, ServerBinaries binaries, bool durable, CancellationToken ct)
    {
        // The incomplete data of a killed run.
        await folder.DeleteNewDataAsync();

        if (!Directory.Exists(folder.Data))
        {
            await MakeAsync(folder, binaries, durable, ct);
            return;
        }

        var version = await File.ReadAllTextAsync(Path.Combine(folder.Data, "PG_VERSION"), ct);
        if (version.Trim() != binaries.ServerVersion.ToString(CultureInfo.InvariantCulture))
        {
            throw new LocalPostgresException(
                $"The data in {folder.Path} was made by PostgreSQL {version.Trim()}, and {binaries.Way} is "
                + $"{binaries.ServerVersion}: delete that folder to start anew, install {version.Trim()}, or set DSN.");
        }
        // An earlier run may have used another account.
        await binaries.Account.OwnAsync(folder.Data, ct);
    }

    private static async Task MakeAsync(
        ServerFolder folder, ServerBinaries binaries, bool durable, CancellationToken ct)
    {
        var made = folder.NewData + Guid.NewGuid().ToString("N")[..8];
        Directory.CreateDirectory(made);
        await binaries.Account.OwnAsync(made, ct);

        // The password goes through a pipe that the account itself opens: it may open neither our pipes nor our files.
        string[] initdb =
        [
            Path.Combine(binaries.Folder, "initdb"), "-D", made, "-U", LocalPostgresServer.Superuser,
            "-A", "scram-sha-256", "--pwfile=/dev/stdin", "--no-locale", "-E", "UTF8",
            .. durable ? (string[])[] : ["--no-sync"],
        ];
        // Not cancelled: it takes one second, and a child that is just being forked would survive the kill.
        var run = await Command.RunAsync(
            binaries.Account.Wrap(["sh", "-c", "cat | \"$@\"", "sh", .. initdb]),
            TimeSpan.FromMinutes(1), CancellationToken.None, await File.ReadAllTextAsync(folder.Password, ct) + "\n");
        if (!run.Succeeded)
        {
            throw new LocalPostgresException(
                $"{initdb[0]} can't make a data directory in {folder.Path}; set DSN to do without. It says: "
                + run.Output.Trim());
        }
        ct.ThrowIfCancellationRequested();
        Directory.Move(made, folder.Data);
    }
}
