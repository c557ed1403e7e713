using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>
/// A restore with the settings of this repository fails if a package has a known vulnerability. The list comes from a
/// server of the test, since no package of ours has one.
/// </summary>
public sealed class AuditTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-audit-").FullName;
    private readonly WebApplication _source;
    private string? _vulnerabilities;

    public AuditTests()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _source = builder.Build();
        _source.Run(http => http.Response.WriteAsync(Answer(http.Request.Path)));
    }

    private string Address => _source.Urls.Single();

    public async ValueTask InitializeAsync()
    {
        await _source.StartAsync();
        await WriteAsync("Directory.Build.props", Import("Directory.Build.props"));
        await WriteAsync("Directory.Packages.props", Import("Directory.Packages.props"));
        await WriteAsync("Audited.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <ItemGroup>
                <PackageReference Include="Npgsql" />
              </ItemGroup>
            </Project>
            """);
        // The packages are there already.
        await WriteAsync("nuget.config", $"""
            <configuration>
              <packageSources><clear /></packageSources>
              <auditSources>
                <clear />
                <add key="test" value="{Address}/index.json" allowInsecureConnections="true" />
              </auditSources>
            </configuration>
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Of each severity, in a package that the project names, and in one that comes with it.</summary>
    [Fact]
    public async Task KnownVulnerability_FailsTheRestore()
    {
        string[] packages = ["npgsql", "microsoft.extensions.logging.abstractions"];
        _vulnerabilities = JsonSerializer.Serialize(packages.ToDictionary(
            package => package,
            package => Enumerable.Range(0, 4).Select(severity => new
            {
                severity,
                url = $"https://example.org/{package}/{severity}",
                versions = "(, 99.0.0)",
            })));

        var (exitCode, output) = await RestoreAsync();

        Assert.NotEqual(0, exitCode);
        Assert.All(packages, package => Assert.All(Enumerable.Range(1, 4), code => Assert.Contains(
            $"error NU190{code}: Warning As Error: Package '{package}'", output, StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public async Task NoKnownVulnerability_Restores()
    {
        _vulnerabilities = """
            {"another.package": [{"severity": 3, "url": "https://example.org/1", "versions": "(, 99.0.0)"}]}
            """;

        var (exitCode, output) = await RestoreAsync();

        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("NU190", output);
    }

    [Fact]
    public async Task SourceWithoutAList_RestoresAndSaysSo()
    {
        var (exitCode, output) = await RestoreAsync();

        Assert.True(exitCode == 0, output);
        Assert.Contains("warning NU1905", output);
    }

    private async Task<(int ExitCode, string Output)> RestoreAsync()
    {
        // CI restores from lock files, and this project has none yet.
        await using var restore = new ClientProcess(
            _folder, "dotnet", ["restore", "-p:RestoreLockedMode=false", "-p:MinVerSkip=true"]);
        var exitCode = await restore.WaitForExitAsync();
        return (exitCode, restore.Output + restore.Errors);
    }

    private string Answer(string path) => path switch
    {
        "/index.json" when _vulnerabilities is null => """{"version": "3.0.0", "resources": []}""",
        "/index.json" => $$"""
            {"version": "3.0.0", "resources": [{"@id": "{{Address}}/list.json", "@type": "VulnerabilityInfo/6.7.0"}]}
            """,
        "/list.json" => JsonSerializer.Serialize(new[]
        {
            new Dictionary<string, string>
            {
                ["@name"] = "base",
                ["@id"] = $"{Address}/base.json",
                ["@updated"] = "2026-01-01T00:00:00Z",
            },
        }),
        _ => _vulnerabilities!,
    };

    private static string Import(string file) => $"<Project><Import Project=\"{Repository.PathOf(file)}\" /></Project>";

    private Task WriteAsync(string file, string text) => File.WriteAllTextAsync(Path.Combine(_folder, file), text);
}
