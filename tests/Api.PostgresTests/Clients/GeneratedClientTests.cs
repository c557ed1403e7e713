namespace Gateway.Api.PostgresTests.Clients;

/// <summary>Tests clients generated from <c>openapi.yaml</c>: their types fit, and they work.</summary>
public sealed class GeneratedClientTests(DemoFixture gateway, GeneratedClients clients)
    : IClassFixture<DemoFixture>, IClassFixture<GeneratedClients>
{
    [Theory]
    [InlineData("openapi-fetch")]
    [InlineData("hey-api")]
    public async Task GeneratedClient_QueriesExecutesOnceAndReadsTheProblem(string maker)
    {
        var output = await clients.RunAsync("node", $"compiled/by-{maker}.js", gateway.Address.ToString());

        Assert.Contains($"{maker}: all as expected", output);
    }
}

/// <summary>
/// Generates and compiles the clients in a temporary folder. A type that does not fit is a compiler error.
/// </summary>
public sealed class GeneratedClients : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-generated-clients-").FullName;

    public async ValueTask InitializeAsync()
    {
        var programs = await NpmFolder.InstallAsync("tests/clients/generated");
        foreach (var file in Directory.EnumerateFiles(programs).Where(file => Path.GetExtension(file) is ".ts" or ".json"))
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        Directory.CreateSymbolicLink(Path.Combine(_folder, "node_modules"), Path.Combine(programs, "node_modules"));

        var document = Repository.PathOf("openapi.yaml");
        await RunAsync("node", "node_modules/openapi-typescript/bin/cli.js", document, "--output", "schema.d.ts");
        await RunAsync("node", "node_modules/@hey-api/openapi-ts/bin/run.js", "--input", document, "--output", "hey-api");
        await RunAsync("node", "node_modules/typescript/bin/tsc", "--project", ".");
    }

    public ValueTask DisposeAsync()
    {
        // Deletes the link, not its target.
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs a program in the folder, and expects it to succeed.</summary>
    /// <returns>Its output.</returns>
    internal async Task<string> RunAsync(string program, params string[] arguments)
    {
        await using var process = new ClientProcess(_folder, program, arguments);
        var code = await process.WaitForExitAsync();
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)} ended with {code}.\n{process.Output}\n{process.Errors}");
        return process.Output;
    }
}
