namespace Gateway.Image.Tests;

/// <summary>Runs Docker's commands.</summary>
internal static class Docker
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Runs <c>docker</c>.</summary>
    /// <returns>What it prints on its standard output, without the last line break.</returns>
    /// <exception cref="InvalidOperationException">It fails; with what it prints.</exception>
    public static Task<string> RunAsync(params string[] arguments) => RunAsync("docker", arguments);

    /// <summary>Runs a command that removes something, also if the test was cancelled.</summary>
    /// <inheritdoc cref="RunAsync(string[])"/>
    public static Task<string> RemoveAsync(params string[] arguments) =>
        RunAsync("docker", arguments, cancellation: CancellationToken.None);

    /// <summary>Returns the last lines that a container has printed.</summary>
    public static async Task<string> ReadLogAsync(string container)
    {
        // Docker prints the lines of the container's standard error on its own.
        await using var logs = new ClientProcess(Repository.Root, "docker", ["logs", "--tail", "20", container]);
        await logs.WaitForExitAsync();
        return logs.Output + logs.Errors;
    }

    /// <inheritdoc cref="RunAsync(string[])"/>
    public static async Task<string> RunAsync(
        string program, IReadOnlyList<string> arguments, TimeSpan? patience = null,
        IReadOnlyDictionary<string, string>? environment = null, CancellationToken? cancellation = null)
    {
        await using var process = new ClientProcess(Repository.Root, program, arguments, environment);
        var code = await process.WaitForExitAsync(patience ?? Patience, cancellation);
        return code == 0
            ? process.Output.TrimEnd()
            : throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} ended with {code}.\n{process.Output}\n{process.Errors}");
    }
}
