using NetArchTest.Rules;
using AssemblyTypes = NetArchTest.Rules.Types;

namespace Gateway.Api.Tests;

/// <summary>
/// Tests the order of the folders of <c>src/Api</c>: a folder uses those below it, and none above it.
/// </summary>
public sealed class ArchitectureTests
{
    private const string Root = "Gateway.Api";

    /// <summary>The folders from the top to the bottom, as in ARCHITECTURE.md.</summary>
    private static readonly string[] Order =
    [
        "Hosting", "Neon", "Endpoints", "Execution", "Connections", "Journal", "Results", "Postgres", "Sql", "Types", "Json",
        "Telemetry", "Callers", "Errors", "Configuration", "Dsns",
    ];

    /// <summary>Gets each folder that has one above it.</summary>
    public static TheoryData<string> Folders => [.. Order.Skip(1)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Folder_UsesNoneAboveIt(string folder)
    {
        var above = Order.TakeWhile(other => other != folder).Select(NamespaceOf).ToArray();

        var result = TypesOf(folder).ShouldNot().HaveDependencyOnAny(above).GetResult();

        Assert.True(result.IsSuccessful, $"{folder} uses {string.Join(", ", above)}: {string.Join(", ", result.FailingTypeNames ?? [])}");
    }

    /// <summary>The rule finds dependencies: that of an upper folder on a lower one.</summary>
    [Fact]
    public void Rule_FindsADependency() =>
        Assert.False(TypesOf("Execution").ShouldNot().HaveDependencyOnAny(NamespaceOf("Journal")).GetResult().IsSuccessful);

    [Fact]
    public void EveryNamespace_HasItsPlaceInTheOrder()
    {
        var namespaces = typeof(Program).Assembly.GetTypes()
            .Select(type => type.Namespace)
            .Where(name => name?.StartsWith($"{Root}.", StringComparison.Ordinal) == true)
            .Distinct();

        Assert.Equal(Order.Select(NamespaceOf).Order(), namespaces.Order());
    }

    [Fact]
    public async Task Order_IsTheOneOfTheDocument()
    {
        var document = await File.ReadAllLinesAsync(Repository.PathOf("ARCHITECTURE.md"), TestContext.Current.CancellationToken);

        var documented = document.SkipWhile(line => !line.StartsWith("| folder", StringComparison.Ordinal)).Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('`')[1]);

        Assert.Equal(Order, documented);
    }

    /// <summary>Production does not contain what starts Development's PostgreSQL.</summary>
    [Fact]
    public void Gateway_DoesNotReferToLocalPostgres() =>
        Assert.DoesNotContain(typeof(Program).Assembly.GetReferencedAssemblies(), assembly => assembly.Name == "Gateway.LocalPostgres");

    private static string NamespaceOf(string folder) => $"{Root}.{folder}";

    private static PredicateList TypesOf(string folder) =>
        AssemblyTypes.InAssembly(typeof(Program).Assembly).That().ResideInNamespace(NamespaceOf(folder));
}
