namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>
/// Tests how CI's audit treats the findings of a source. The findings are made up, because no package of ours may have
/// one.
/// </summary>
public sealed class AuditTests : IDisposable
{
    private const string Finding = """
        {"projects":[{"path":"a.csproj","frameworks":[{"framework":"net10.0","transitivePackages":[
        {"id":"Old.Package","resolvedVersion":"1.0.0","vulnerabilities":[{"severity":"High","advisoryurl":"https://example.org/1"}]}]}]}]}
        """;

    private const string NoFinding = """{"projects":[{"path":"a.csproj"}]}""";

    private const string WithList = """{"resources":[{"@id":"https://example.org/v","@type":"VulnerabilityInfo/6.7.0"}]}""";

    private const string WithoutList = """{"resources":[{"@id":"https://example.org/r","@type":"RegistrationsBaseUrl/3.6.0"}]}""";

    private readonly string _programs = Directory.CreateTempSubdirectory("gateway-audit-").FullName;

    public void Dispose() => Directory.Delete(_programs, recursive: true);

    [Theory]
    [InlineData(Finding, WithList, 1, "Old.Package 1.0.0: High https://example.org/1")]
    [InlineData(Finding, WithoutList, 1, "Old.Package 1.0.0: High https://example.org/1")]
    [InlineData(NoFinding, WithList, 0, "No package has a known vulnerability.")]
    [InlineData(NoFinding, WithoutList, 0, "NOTHING WAS AUDITED")]
    public async Task Findings_Fail(string report, string index, int expected, string said)
    {
        await WriteAsync("dotnet", $"case $1 in nuget) echo 'E https://example.org/index.json' ;; *) cat <<'REPORT'\n{report}\nREPORT\nesac");
        await WriteAsync("curl", $"cat <<'INDEX'\n{index}\nINDEX");

        await using var audit = new ClientProcess(
            Repository.Root, Repository.PathOf(".ci/audit"), ["src/Api"],
            new Dictionary<string, string> { ["PATH"] = $"{_programs}:{Environment.GetEnvironmentVariable("PATH")}" });

        Assert.Equal(expected, await audit.WaitForExitAsync());
        Assert.Contains(said, audit.Output + audit.Errors);
        Assert.Equal(said.StartsWith("No package", StringComparison.Ordinal), audit.Output.Contains("No package", StringComparison.Ordinal));
    }

    private async Task WriteAsync(string program, string script)
    {
        var path = Path.Combine(_programs, program);
        await File.WriteAllTextAsync(path, $"#!/bin/sh\n{script}\n", TestContext.Current.CancellationToken);
        await using var executable = new ClientProcess(_programs, "chmod", ["+x", path]);
        Assert.Equal(0, await executable.WaitForExitAsync());
    }
}
