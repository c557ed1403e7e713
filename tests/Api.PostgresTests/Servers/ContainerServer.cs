using DotNet.Testcontainers.Builders;
using DotNet.Testcontainers.Configurations;
using Testcontainers.PostgreSql;

namespace Gateway.Api.PostgresTests.Servers;

/// <summary>Runs a server in a container, by Testcontainers.</summary>
internal sealed class ContainerServer : TestServer
{
    /// <summary>The setting with the image's name.</summary>
    private const string ImageSetting = "TEST_IMAGE";

    private readonly PostgreSqlContainer _container;

    private ContainerServer(PostgreSqlContainer container) => _container = container;

    public override string Way => $"a container of {_container.Image.FullName}";

    public override string Dsn => _container.GetConnectionString();

    /// <returns>Null if no engine answers, and no image is set.</returns>
    public static async Task<ContainerServer?> TryStartAsync()
    {
        var image = Environment.GetEnvironmentVariable(ImageSetting);
        PostgreSqlContainer container;
        try
        {
            container = new PostgreSqlBuilder(image ?? "postgres:17")
                // The port is open to other machines.
                .WithPassword(Guid.NewGuid().ToString("N"))
                // Chosen here, because an engine would choose another one for each start.
                .WithPortBinding(Ports.PickFree(), PostgreSqlBuilder.PostgreSqlPort)
                // What is committed survives the container's end, but not the machine's.
                .WithCommand("-c", "fsync=off", "-c", "full_page_writes=off")
                .Build();
        }
        catch (DockerUnavailableException) when (image is null)
        {
            return null;
        }
        try
        {
            await container.StartAsync(TestContext.Current.CancellationToken);
            return new ContainerServer(container);
        }
        catch
        {
            await container.DisposeAsync();
            throw;
        }
    }

    public override async Task KillAsync()
    {
        using var docker = TestcontainersSettings.OS.DockerEndpointAuthConfig.GetDockerClientBuilder().Build();
        await docker.Containers.KillContainerAsync(_container.Id, new() { Signal = "KILL" });
    }

    public override Task StartAgainAsync() => _container.StartAsync();

    public override Task PauseAsync() => _container.PauseAsync();

    public override Task ResumeAsync() => _container.UnpauseAsync();

    public override ValueTask DisposeAsync() => _container.DisposeAsync();
}
