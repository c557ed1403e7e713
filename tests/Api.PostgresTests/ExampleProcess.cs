namespace Gateway.Api.PostgresTests;

/// <summary>Represents an example's output and exit code.</summary>
internal sealed record ExampleProcess(int ExitCode, string Output, string Errors)
{
    /// <summary>Gets the repository's folder with the examples.</summary>
    public static string Folder { get; } = Repository.PathOf("examples");

    /// <summary>Runs a program in the folder of the examples, for at most a minute.</summary>
    /// <param name="gateway">The value of GATEWAY_URL.</param>
    /// <param name="program">The name of a program on PATH.</param>
    /// <param name="arguments">Its arguments.</param>
    public static Task<ExampleProcess> RunAsync(Uri gateway, string program, params string[] arguments) =>
        RunAsync(gateway, [program, .. arguments]);

    /// <param name="gateway">The value of GATEWAY_URL.</param>
    /// <param name="command">A program on PATH and its arguments.</param>
    /// <param name="key">The value of GATEWAY_API_KEY.</param>
    public static async Task<ExampleProcess> RunAsync(Uri gateway, IReadOnlyList<string> command, string key = "")
    {
        var environment = new Dictionary<string, string>
        {
            ["GATEWAY_URL"] = gateway.ToString(),
            ["GATEWAY_API_KEY"] = key,
        };
        await using var process = new ClientProcess(Folder, command[0], command.Skip(1), environment);
        var code = await process.WaitForExitAsync();
        return new ExampleProcess(code, process.Output, process.Errors);
    }
}
