using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Endpoints;
using Gateway.Api.Execution;
using Gateway.Api.Hosting;
using Gateway.Api.Neon;
using Gateway.Api.Telemetry;

namespace Gateway.Api;

/// <summary>Composes the application, in the order of the pipeline.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        try
        {
            return HealthcheckCommand.TryRun(args) ?? CommandLine.RunAsync(args).GetAwaiter().GetResult();
        }
        catch (StartupException error)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }

    /// <summary>Starts the gateway and serves until it is stopped.</summary>
    /// <returns>The exit code.</returns>
    internal static async Task<int> ServeAsync(string[] settings)
    {
        await using var gateway = await StartAsync(settings);
        await gateway.ServeUntilStoppedAsync();
        return 0;
    }

    /// <summary>Starts the gateway. When this returns, the gateway answers requests.</summary>
    /// <param name="args">
    /// Settings as <c>--NAME=value</c>. They override those of the environment and of appsettings.json.
    /// </param>
    /// <exception cref="StartupException">The gateway can't start; a sentence for each fault.</exception>
    internal static async Task<WebApplication> StartAsync(params string[] args)
    {
        var builder = CreateBuilder(args);
        builder.Configuration.AddSecretsFolder();
        await builder.AddDevelopmentDatabaseAsync();
        var configuration = builder.AddConnections();
        builder.AddGatewayLogging();
        builder.AddCallers(configuration.Callers);
        builder.AddMetrics();
        builder.AddTraces();
        builder.AddShutdown(configuration.Options);
        builder.Services.AddSingleton<StatementPath>();
        builder.Services.AddHostedService<JournalPurge>();
        builder.Services.AddAnswerCompression();
        builder.Services.AddCors();
        builder.Services.AddContractDocument();

        var gateway = builder.Build();
        gateway.OwnDevelopmentDatabase();
        gateway.UseServicesWithoutScope();
        gateway.CountRequests();
        gateway.UseMiddleware<RequestLog>();
        gateway.RequireLoopbackHost();
        gateway.UseResponseCompression();
        gateway.UseSqlCors();
        gateway.UseMiddleware<ProblemMiddleware>();
        gateway.UseMiddleware<CallerIdentification>();
        MapEndpoints(gateway);

        try
        {
            await Task.WhenAll(gateway.ReadKeyFilesAsync(), gateway.MeasureAsync(), gateway.ConnectAsync());
            await gateway.ListenAsync();
            gateway.Announce(configuration.Callers);
            return gateway;
        }
        catch
        {
            // Services that have started, such as a private PostgreSQL, must not outlive the failed start. They are
            // stopped first: a check that runs while its connection is disposed of would be logged as a fault.
            await gateway.StopAsync();
            await gateway.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns a builder with the sources of the settings, before any service is added.</summary>
    internal static WebApplicationBuilder CreateBuilder(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = args,
            // appsettings.json is found from any working directory.
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Configuration.ListenByDefault();
        return builder;
    }

    /// <summary>Maps all endpoints. The OpenAPI document is generated from them.</summary>
    internal static void MapEndpoints(WebApplication gateway)
    {
        gateway.MapStatements();
        gateway.MapActivities();
        gateway.MapSql();
        gateway.MapHealth();
        gateway.MapMetrics();
        gateway.MapContractDocument();
    }
}
