using System.Text.Json;
using Gateway.Api.Callers;
using Npgsql;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>What goes into the image runs as it would there: as its user, with its variables, and with nothing that it may write to.</summary>
public sealed class PublishedGatewayTests(GatewayFixture fixture, PublishedGateway published) : IClassFixture<PublishedGateway>
{
    private static readonly Dictionary<string, string> Nothing = [];

    private static readonly string ReadOnly = Repository.PathOf("tests/Api.PostgresTests/Deploy/read-only.sh");

    [Fact]
    public async Task ReadOnlyAsTheImagesUser_ServesAndEndsWell()
    {
        var image = await Dockerfile.ReadAsync();
        var (user, port, key) = (image.Last("USER"), Ports.PickFree(), ApiKey.New());
        await using var role = await LoginRole.CreateAsync(fixture.Dsn, "");
        await fixture.ExecuteAsync($"GRANT SELECT, INSERT ON users, orders TO {role.Name}");
        await role.InstallJournalAsync();
        var dsn = new NpgsqlConnectionStringBuilder(role.Dsn);
        var secrets = WriteSecrets(("default.password", dsn.Password!), ("default.control-password", dsn.Password!), ("Gateway__Callers__orders__Keys__0", ApiKey.WriteHash(key)));
        dsn.Remove("Password");
        var control = new NpgsqlConnectionStringBuilder(role.ControlDsn);
        control.Remove("Password");
        var entry = JsonSerializer.Deserialize<string[]>(image.Last("ENTRYPOINT"))!;
        // Any address, as in the image; a machine's port stands in for the container's.
        string[] command =
        [
            ReadOnly, user, "/usr/bin/env", "--ignore-environment", .. Variables(image), $"ASPNETCORE_URLS=http://127.0.0.1:{port}",
            $"Gateway__SecretsFolder={secrets}", $"Gateway__Connections__default__Dsn={dsn.ConnectionString}",
            $"Gateway__Connections__default__PasswordFile={secrets}/default.password",
            $"Gateway__Connections__default__ControlDsn={control.ConnectionString}",
            $"Gateway__Connections__default__ControlPasswordFile={secrets}/default.control-password", "Gateway__Callers__orders__Connections__default=write",
            Path.Combine(published.App, Path.GetFileName(entry.Single())),
        ];

        await using var gateway = await GatewayProcess.StartCommandAsync(Nothing, command);

        using var client = new GatewayClient(new Uri($"http://127.0.0.1:{port}"), key);
        Assert.Equal(3, (await client.QueryValueAsync("SELECT count(*) FROM users")).GetInt32());
        var write = new { activityId = $"image/{Guid.NewGuid()}", sql = "INSERT INTO orders (user_id, total) VALUES (1, 9.99) RETURNING id" };
        var first = await client.PostAsync("execute", write);
        var second = await client.PostAsync("execute", write);
        Assert.Equal((200, 200), ((int)first.Status, (int)second.Status));
        Assert.Equal(first.Text, second.Text);
        Assert.Equal(1L, await fixture.ReadAsync<long>(
            $"SELECT count(*) FROM orders WHERE id = {first.Json.GetProperty("rows")[0].GetProperty("id")}"));
        Assert.Equal((0, "", ""), await GatewayProcess.RunCommandAsync(Nothing, [.. command, "healthcheck", "ready"]));

        Assert.Equal(0, await gateway.TerminateAsync());
        Assert.Equal("", gateway.Errors);
        Assert.DoesNotContain("\"@l\":\"Error\"", gateway.Output);
        Assert.Equal(1, (await GatewayProcess.RunCommandAsync(Nothing, [.. command, "healthcheck"])).ExitCode);
    }

    [Fact]
    public void Output_HasWhatRunsAndNoMore()
    {
        var files = Directory.GetFiles(published.App, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(published.App, file)).ToArray();

        Assert.Contains("Gateway.Api", files);
        Assert.Contains("appsettings.json", files);
        Assert.Contains("LICENSE", files);
        Assert.Contains("THIRD-PARTY-NOTICES.txt", files);
        // The contract's texts are made of it at the start.
        Assert.Contains("Gateway.Contracts.xml", files);
        // Development's private PostgreSQL.
        Assert.DoesNotContain(files, file => file.Contains("LocalPostgres", StringComparison.Ordinal));
        Assert.DoesNotContain(files, file => file.Contains("appsettings.D", StringComparison.Ordinal) || file.Contains("packages.lock", StringComparison.Ordinal) || file.EndsWith("launchSettings.json", StringComparison.Ordinal)
            || file.EndsWith(".http", StringComparison.Ordinal) || file == "web.config");
        Assert.DoesNotContain(Directory.GetDirectories(published.App), folder => folder.EndsWith("runtimes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task DevelopmentWithoutDsn_IsRefusedWithASentence()
    {
        var (exitCode, errors, output) = await GatewayProcess.RunCommandAsync(
            new Dictionary<string, string> { ["DOTNET_ENVIRONMENT"] = "Development" },
            [Path.Combine(published.App, "Gateway.Api"), "--urls=http://127.0.0.1:0"]);

        Assert.Equal((1, ""), (exitCode, output));
        Assert.StartsWith("DSN is not set: name the database, as in ", errors);
    }

    /// <summary>The bill of materials is made from the restored packages; the published output lists its own.</summary>
    [Fact]
    public async Task EveryPackageOfTheOutput_IsInTheBillOfMaterials()
    {
        var file = Path.Combine(Path.GetDirectoryName(published.App)!, "sbom.json");
        await using var sbom = new ClientProcess(Repository.Root, Repository.PathOf(".ci/sbom"), [file]);
        Assert.True(await sbom.WaitForExitAsync() == 0, sbom.Errors);

        var components = (await ReadAsync(file)).GetProperty("components").EnumerateArray()
            .Where(component => component.GetProperty("scope").GetString() == "required")
            .ToDictionary(component => $"{component.GetProperty("name")}/{component.GetProperty("version")}");
        var libraries = (await ReadAsync(Path.Combine(published.App, "Gateway.Api.deps.json"))).GetProperty("libraries").EnumerateObject()
            .Where(library => library.Value.GetProperty("type").GetString() is "package" or "runtimepack")
            .Select(library => library.Name.Replace("runtimepack.", ""))
            .ToArray();

        Assert.Equal(libraries.Order(), components.Keys.Order());
        // The packages Gateway and Gateway.Testing should contain the same libraries.
        var notices = await File.ReadAllLinesAsync(
            Repository.PathOf("src/THIRD-PARTY-NOTICES.txt"), TestContext.Current.CancellationToken);
        Assert.Equal(
            components.Values
                .Where(component => component.GetProperty("type").GetString() == "library")
                .Select(NoticeOf)
                .Order(StringComparer.OrdinalIgnoreCase),
            notices.Skip(3).TakeWhile(line => line.Length > 0));
        Assert.All(components.Values, component =>
        {
            Assert.Equal(1, component.GetProperty("licenses").GetArrayLength());
            if (component.GetProperty("type").GetString() == "library")
                Assert.Matches("^[0-9A-F]{128}$", component.GetProperty("hashes")[0].GetProperty("content").GetString());
        });
    }

    private static string NoticeOf(JsonElement component)
    {
        var copyright = component.TryGetProperty("copyright", out var text) ? $": {text}" : "";
        var licence = component.GetProperty("licenses")[0].GetProperty("license").GetProperty("id");
        return $"{component.GetProperty("name")} ({licence}){copyright}";
    }

    private static async Task<JsonElement> ReadAsync(string file)
    {
        using var document = JsonDocument.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        return document.RootElement.Clone();
    }

    private static IEnumerable<string> Variables(Dockerfile image) =>
        image.Final.Where(instruction => instruction.Name == "ENV").SelectMany(instruction => instruction.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>As a volume of secrets is mounted: for the group, or for whoever runs it.</summary>
    private string WriteSecrets(params (string Name, string Value)[] secrets)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(published.App)!, "secrets")).FullName;
        foreach (var (name, value) in secrets)
            File.WriteAllText(Path.Combine(folder, name), value);
        return folder;
    }
}
