using Npgsql;

namespace Gateway.LocalPostgres.Tests;

/// <summary>Queries servers and the system.</summary>
internal static class Ask
{
    public static async Task<object?> SqlAsync(LocalPostgresServer server, string sql)
    {
        var connectionString = new NpgsqlConnectionStringBuilder
        {
            Host = server.Host,
            Port = server.Port,
            Username = server.Username,
            Password = server.Password,
            Database = server.Database,
            Pooling = false,
        }.ConnectionString;
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    /// <summary>Returns the command lines of all processes, which anyone can list.</summary>
    public static async Task<IReadOnlyList<string>> CommandLinesAsync()
    {
        if (!OperatingSystem.IsLinux())
        {
            var ps = await Command.RunAsync(["ps", "-A", "-o", "command="], TimeSpan.FromSeconds(10), default);
            return ps.Output.Split('\n');
        }

        List<string> lines = [];
        foreach (var process in Directory.GetDirectories("/proc").Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0])))
        {
            try
            {
                lines.Add((await File.ReadAllTextAsync(Path.Combine(process, "cmdline"))).Replace('\0', ' '));
            }
            catch (IOException)
            {
                // The process has just ended.
            }
        }
        return lines;
    }

    /// <summary>Waits until no process names the folder.</summary>
    public static Task UntilNothingRunsInAsync(string folder) => Poll.UntilAsync(
        async () => !(await CommandLinesAsync()).Any(line => line.Contains(folder, StringComparison.Ordinal)),
        what: $"nothing runs in {folder}");
}
