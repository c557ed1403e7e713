using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Gateway.Api.Hosting;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>Tests what the Dockerfile says, without building it. <c>tests/Image.Tests</c> builds and runs it.</summary>
public sealed class DockerfileTests
{
    [Fact]
    public async Task Stages_AreOfTheVersionThatIsBuilt()
    {
        var file = await Dockerfile.ReadAsync();
        using var global = JsonDocument.Parse(await ReadAsync("global.json"));
        var sdk = Version.Parse(global.RootElement.GetProperty("sdk").GetProperty("version").GetString()!);
        var framework = XDocument.Parse(await ReadAsync("Directory.Build.props")).Descendants("TargetFramework").Single().Value;

        var stages = file.Instructions.Where(instruction => instruction.Name == "FROM").Select(instruction => instruction.Value).ToArray();

        Assert.Equal(2, stages.Length);
        Assert.Matches($@"/dotnet/sdk:{sdk.Major}\.{sdk.Minor}-\S+ AS build$", stages[0]);
        Assert.Matches($@"/dotnet/runtime-deps:{framework["net".Length..]}-\S+-chiseled AS final$", stages[1]);
        Assert.Contains("--locked-mode", Assert.Single(file.Instructions, instruction => instruction.Value.StartsWith("dotnet restore", StringComparison.Ordinal)).Value);
    }

    [Fact]
    public async Task CopiedPaths_AreThereAndGetPastDockerignore()
    {
        var sources = (await Dockerfile.ReadAsync()).Instructions
            .Where(instruction => instruction.Name == "COPY" && !instruction.Value.StartsWith("--from", StringComparison.Ordinal))
            .SelectMany(instruction => instruction.Value.Split(' ')[..^1])
            .ToArray();
        var ignored = await ReadIgnoredAsync();

        Assert.Contains("src/Api/packages.lock.json", sources);
        Assert.All(sources, source => Assert.True(Path.Exists(Repository.PathOf(source)), source));
        Assert.All(sources, source => Assert.False(ignored(source), source));
        // The lock file of each restored project is copied before.
        foreach (var project in (string[])["Api", "Contracts"])
        {
            var path = $"src/{project}/{project}.csproj";
            Assert.Contains(path, sources);
            // One whose assembly is not referred to is Development's.
            var references = XDocument.Parse(await ReadAsync(path)).Descendants("ProjectReference")
                .Where(reference => reference.Attribute("ReferenceOutputAssembly")?.Value != "false")
                .Select(reference => reference.Attribute("Include")!.Value);
            Assert.All(references, reference => Assert.Contains($"src/{reference["../".Length..]}", sources));
        }
    }

    [Theory]
    [InlineData(".git/config")]
    [InlineData(".env")]
    [InlineData("src/Api/.env.local")]
    [InlineData("src/Api/bin/Release/Gateway.Api.dll")]
    [InlineData("src/Api/obj/project.assets.json")]
    [InlineData("src/Api/.local/postgres/PG_VERSION")]
    [InlineData("src/Api/tls.key")]
    [InlineData("src/LocalPostgres/LocalPostgres.csproj")]
    [InlineData("tests/Api.Tests/Api.Tests.csproj")]
    [InlineData("deploy/k8s/secrets.yaml")]
    [InlineData("TestResults/sbom.json")]
    public async Task WhatIsNoSource_IsKeptFromTheBuilder(string path) => Assert.True((await ReadIgnoredAsync())(path));

    [Fact]
    public async Task Image_RunsAsNobodyAndChecksItself()
    {
        var file = await Dockerfile.ReadAsync();
        var environment = new Dictionary<string, string?>();
        foreach (var pair in file.Final.Where(instruction => instruction.Name == "ENV").SelectMany(instruction => instruction.Value.Split(' ')))
        {
            if (pair.Split('=', 2) is [var name, var value])
                environment[name.Replace("ASPNETCORE_", "")] = value;
        }

        Assert.Matches("^[1-9][0-9]*:[1-9][0-9]*$", file.Last("USER"));
        var entry = JsonSerializer.Deserialize<string[]>(file.Last("ENTRYPOINT"))!;
        var check = file.Last("HEALTHCHECK");
        Assert.Equal([.. entry, "healthcheck"], JsonSerializer.Deserialize<string[]>(check[check.IndexOf('[')..])!);
        var listened = HealthcheckCommand.FindAddress(new ConfigurationBuilder().AddInMemoryCollection(environment).Build());
        Assert.Equal($"{listened.Port}", file.Last("EXPOSE"));
        // It sets or copies neither secrets nor settings of Development.
        Assert.DoesNotContain(file.Final, instruction => Regex.IsMatch(instruction.Value, "DSN|Keys__|Development|PASSWORD"));
        Assert.Single(file.Final, instruction => instruction.Name == "COPY");
        Assert.DoesNotContain(file.Final, instruction => instruction.Name == "RUN");
    }

    private static Task<string> ReadAsync(string path) =>
        File.ReadAllTextAsync(Repository.PathOf(path), TestContext.Current.CancellationToken);

    /// <returns>
    /// A function that returns whether a path is ignored: the last pattern that matches it, or a folder above it,
    /// decides.
    /// </returns>
    private static async Task<Func<string, bool>> ReadIgnoredAsync()
    {
        var patterns = (await ReadAsync(".dockerignore")).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line[0] != '#')
            .Select(line => (Lets: line[0] == '!', Path: new Regex($"^{Regex.Escape(line.TrimStart('!'))
                .Replace(@"\*\*/", "(.*/)?").Replace(@"\*", "[^/]*")}(/.*)?$")))
            .ToArray();
        return path => !patterns.Last(pattern => pattern.Path.IsMatch(path)).Lets;
    }
}
