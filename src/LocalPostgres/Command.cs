using System.Diagnostics;

namespace Gateway.LocalPostgres;

/// <summary>Represents the result of a program that has ended.</summary>
/// <param name="ExitCode">-1 if it could not be started, 124 if its time was up.</param>
/// <param name="Output">Its standard output, then its standard error.</param>
internal sealed record Command(int ExitCode, string Output)
{
    public bool Succeeded => ExitCode == 0;

    /// <summary>Gets the last line that is not empty: programs put their reason there.</summary>
    public string LastLine => Output.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        .LastOrDefault($"exit code {ExitCode}");

    /// <summary>Runs a program. On cancellation, and when the time is up, it is killed with its children.</summary>
    public static async Task<Command> RunAsync(
        IReadOnlyList<string> command, TimeSpan limit, CancellationToken ct, string input = "", string folder = "/")
    {
        var start = StartInfo(command);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        start.WorkingDirectory = folder;

        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return new Command(-1, e.Message);
        }

        using var timer = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timer.CancelAfter(limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(timer.Token);
            var error = process.StandardError.ReadToEndAsync(timer.Token);
            await WriteAsync(process, input);
            await process.WaitForExitAsync(timer.Token);
            return new Command(process.ExitCode, await output + await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            ct.ThrowIfCancellationRequested();
            return new Command(124, $"{command[0]} did not end within {limit.TotalSeconds:0} s");
        }
    }

    /// <summary>
    /// Returns how to start a program. It runs in <c>/</c>, since initdb fails if its user can't read the current
    /// folder; in the C locale, so that messages can be recognised; and without the PG* variables, which would become
    /// the server's defaults.
    /// </summary>
    public static ProcessStartInfo StartInfo(IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            WorkingDirectory = "/",
        };
        foreach (var name in start.Environment.Keys.Where(n => n.StartsWith("PG", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment["LC_ALL"] = "C";
        return start;
    }

    /// <summary>Returns the file that a shell would run for a name; null if there is none.</summary>
    public static string? Find(string name, string path) => path
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name))
        .FirstOrDefault(File.Exists);

    private static async Task WriteAsync(Process process, string input)
    {
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program ended without reading; its exit code is the reason.
        }
    }
}
