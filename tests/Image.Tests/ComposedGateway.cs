using Gateway.Client;
using Gateway.Image.Tests;
using Gateway.LocalPostgres;

[assembly: AssemblyFixture(typeof(ComposedGateway))]

namespace Gateway.Image.Tests;

/// <summary>
/// Builds the image from the Dockerfile, and brings compose.yaml up with it, on a port and under names of its own.
/// </summary>
public sealed class ComposedGateway : IAsyncLifetime
{
    /// <summary>The build compiles the gateway ahead of time.</summary>
    private static readonly TimeSpan BuildPatience = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Dictionary<string, string> _environment;
    private string[] _compose = [];

    public ComposedGateway()
    {
        var port = Ports.PickFree();
        Address = new Uri($"http://127.0.0.1:{port}");
        _environment = new Dictionary<string, string> { ["GATEWAY_PORT"] = $"{port}", ["GATEWAY_IMAGE"] = Image };
    }

    /// <summary>Gets the name that begins the names of all containers, volumes and networks.</summary>
    public string Project { get; } = $"gateway-test-{Guid.NewGuid():N}";

    public string Image => $"{Project}:built";

    public Uri Address { get; }

    /// <summary>Gets the caller's key.</summary>
    public string Key { get; private set; } = "";

    /// <summary>Gets what the gateway and the installation of the journal have printed at their first start.</summary>
    public string FirstLog { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        await Docker.RunAsync("docker", ["build", "--tag", Image, "."], BuildPatience);
        _compose = await FindComposeAsync();
        await UpAsync();
        Key = await ReadKeyAsync();
        FirstLog = await ComposeAsync("logs", "--no-color", "gateway", "journal");
    }

    public async ValueTask DisposeAsync()
    {
        if (_compose.Length > 0)
            await ComposeAsync(["down", "--volumes", "--timeout", "10"], CancellationToken.None);
        await Docker.RemoveAsync("rmi", "--force", Image);
    }

    /// <summary>Starts what does not run, and waits until the gateway is healthy.</summary>
    public async Task UpAsync()
    {
        await ComposeAsync("up", "--detach", "--no-build");
        await UntilHealthyAsync(await FindContainerAsync("gateway"));
    }

    /// <summary>Runs a command of compose.</summary>
    /// <returns>What it prints on its standard output.</returns>
    public Task<string> ComposeAsync(params string[] arguments) => ComposeAsync(arguments, cancellation: null);

    /// <summary>Returns the ID of a service's container.</summary>
    public Task<string> FindContainerAsync(string service) => ComposeAsync("ps", "--quiet", service);

    /// <summary>Reads the caller's key, as the README says.</summary>
    public async Task<string> ReadKeyAsync() => (await ComposeAsync("logs", "passwords")).Split(' ', '\n')
        .Last(word => word.StartsWith("gw_", StringComparison.Ordinal)).Trim();

    /// <summary>Creates a client with the caller's key.</summary>
    public GatewayClient CreateClient(Uri? address = null) =>
        new(new GatewayClientOptions { Address = address ?? Address, ApiKey = Key });

    /// <summary>Waits until the health check of a container has passed.</summary>
    /// <exception cref="InvalidOperationException">The container has ended; with its log.</exception>
    public static Task UntilHealthyAsync(string container) => Poll.UntilAsync(
        async () =>
        {
            var state = await Docker.RunAsync(
                "inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", container);
            return state.StartsWith("running", StringComparison.Ordinal)
                ? state == "running healthy"
                : throw new InvalidOperationException($"It is {state}. {await Docker.ReadLogAsync(container)}");
        },
        Patience);

    private Task<string> ComposeAsync(string[] arguments, CancellationToken? cancellation) => Docker.RunAsync(
        _compose[0], [.. _compose[1..], "--project-name", Project, .. arguments], Patience, _environment, cancellation);

    /// <summary>Returns the command: Docker's own one, or the program before it.</summary>
    private static async Task<string[]> FindComposeAsync()
    {
        try
        {
            await Docker.RunAsync("compose", "version");
            return ["docker", "compose"];
        }
        catch (InvalidOperationException)
        {
            return ["docker-compose"];
        }
    }
}
