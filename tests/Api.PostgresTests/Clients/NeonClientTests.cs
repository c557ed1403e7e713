using System.Globalization;
using System.Text.RegularExpressions;
using Gateway.Api.Callers;
using Npgsql;

namespace Gateway.Api.PostgresTests.Clients;

/// <summary>
/// Tests Neon's npm packages, and packages built on them, as published: configured for a gateway, they work as
/// node-postgres does on its own connection. tests/clients/neon has a file of tests for each.
/// </summary>
public sealed partial class NeonClientTests(GatewayFixture server)
{
    private const string Folder = "tests/clients/neon";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Theory]
    [InlineData("queries")]
    [InlineData("values")]
    [InlineData("parameters")]
    [InlineData("reference")]
    [InlineData("errors")]
    [InlineData("transactions")]
    [InlineData("callers")]
    [InlineData("drizzle")]
    [InlineData("prisma")]
    [InlineData("kysely")]
    public async Task UnmodifiedPackage_WorksAsOnAConnectionOfItsOwn(string file)
    {
        var folder = await NpmFolder.InstallAsync(Folder);
        var dsn = await server.CreateDatabaseAsync();
        // Prisma's adapter reads a timestamp's text as UTC.
        await GatewayFixture.ExecuteAsync(dsn, $"ALTER DATABASE {new NpgsqlConnectionStringBuilder(dsn).Database} SET TimeZone TO 'UTC'");
        var (writer, reader) = (ApiKey.New(), ApiKey.New());
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={dsn}",
            $"--Gateway:Callers:writer:Keys:0={ApiKey.WriteHash(writer)}", "--Gateway:Callers:writer:Connections:default=write",
            $"--Gateway:Callers:reader:Keys:0={ApiKey.WriteHash(reader)}", "--Gateway:Callers:reader:Connections:default=read");

        await using var node = new ClientProcess(
            folder, "node", ["--test", "--test-reporter=spec", $"{file}.test.mjs"], EnvironmentOf(gateway, writer, reader, dsn));
        var code = await node.WaitForExitAsync(Patience);

        Assert.True(code == 0, $"{file}.test.mjs failed:\n{FailuresOf(node.Output)}\n{node.Errors}");
        // A file without tests would pass, and so would a skipped test.
        Assert.True(Count(node.Output, "suites") > 0, $"{file}.test.mjs has no tests:\n{node.Output}");
        Assert.True(Count(node.Output, "tests") == Count(node.Output, "pass"), $"Of {file}.test.mjs not all tests ran:\n{node.Output}");
    }

    private static Dictionary<string, string> EnvironmentOf(RunningGateway gateway, string writer, string reader, string dsn)
    {
        var settings = new NpgsqlConnectionStringBuilder(dsn);
        return new()
        {
            ["GATEWAY_URL"] = gateway.Address.ToString(),
            ["GATEWAY_KEY"] = writer,
            ["GATEWAY_READING_KEY"] = reader,
            // The server for node-postgres.
            ["PGHOST"] = settings.Host!,
            ["PGPORT"] = settings.Port.ToString(CultureInfo.InvariantCulture),
            ["PGUSER"] = settings.Username!,
            ["PGPASSWORD"] = settings.Password ?? "",
            ["PGDATABASE"] = settings.Database!,
            // A zone behind UTC, with half an hour: a time read in another zone would differ.
            ["TZ"] = "America/St_Johns",
            ["NO_COLOR"] = "1",
            // Prisma's command must not check for updates, and needs none of the engines that it would download.
            ["CHECKPOINT_DISABLE"] = "1",
            ["PRISMA_SCHEMA_ENGINE_BINARY"] = "/bin/true",
            ["PRISMA_ENGINES_CHECKSUM_IGNORE_MISSING"] = "1",
        };
    }

    /// <summary>
    /// Returns the reporter's output without the passed tests, and without its repetition at the end.
    /// </summary>
    private static string FailuresOf(string output)
    {
        var end = output.IndexOf("failing tests:", StringComparison.Ordinal);
        var lines = (end < 0 ? output : output[..end]).Split('\n');
        return string.Join('\n', lines.Where(line => !line.TrimStart().StartsWith('✔')));
    }

    private static int Count(string output, string what) =>
        int.Parse(Counter().Matches(output).Single(match => match.Groups["what"].Value == what).Groups["count"].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^ℹ (?<what>\w+) (?<count>\d+)\r?$", RegexOptions.Multiline)]
    private static partial Regex Counter();
}
