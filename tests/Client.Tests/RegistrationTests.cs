using Gateway.Contracts;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static Gateway.Tests.FailingServer;

namespace Gateway.Client.Tests;

/// <summary>Tests the client as a service, its options, and how they change its requests.</summary>
public sealed class RegistrationTests
{
    [Fact]
    public async Task AddedClient_SendsItsKeyAndUsesTheClockOfTheServices()
    {
        await using var server = await StartAsync(Fails(503, "saturated", shouldRetry: "true", retryAfter: "60"), Succeeds);
        var pauses = new RecordedPauses();
        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(pauses);
        services.AddGatewayClient(options =>
        {
            options.Address = server.Address;
            options.ApiKey = "gw_secret";
        });
        await using var provider = services.BuildServiceProvider();

        await provider.GetRequiredService<GatewayClient>().ExecuteAsync("run/step", "SELECT");

        Assert.Same(provider.GetRequiredService<GatewayClient>(), provider.GetRequiredService<GatewayClient>());
        Assert.Equal(["Bearer gw_secret", "Bearer gw_secret"], server.Credentials);
        Assert.Single(pauses.Seconds);
    }

    [Fact]
    public async Task AddedClient_FollowsNoRedirectAndSendsWhereItIsTold()
    {
        await using var server = await StartAsync(
            http =>
            {
                http.Response.StatusCode = StatusCodes.Status307TemporaryRedirect;
                http.Response.Headers.Location = "/elsewhere";
                return Task.CompletedTask;
            },
            Succeeds);
        var services = new ServiceCollection();
        services.AddGatewayClient(options => options.Address = new Uri(server.Address, "behind/a/proxy"));
        await using var provider = services.BuildServiceProvider();

        var error = await Assert.ThrowsAsync<GatewayException>(
            () => provider.GetRequiredService<GatewayClient>().ExecuteAsync("run/step", "SELECT"));

        Assert.Equal("http_307", error.Code);
        Assert.Equal(["/behind/a/proxy/v1/execute"], server.Paths);
        Assert.Equal([""], server.Credentials);
    }

    [Fact]
    public async Task ActivityId_IsOneSegmentOfThePath()
    {
        await using var server = await StartAsync(
            Answers("""{"activityId": "run/step 1%", "status": "running"}"""),
            Answers("""{"activityId": "run/step 1%", "status": "cancelled"}"""),
            Fails(404, "activity_not_found", shouldRetry: "false", retryAfter: "1"),
            Fails(404, "connection_not_found", shouldRetry: "false", retryAfter: "1"));
        using var client = new GatewayClient(new GatewayClientOptions { Address = server.Address });

        Assert.Equal(ActivityStatus.Running, (await client.FindActivityAsync("run/step%"))!.Status);
        Assert.Equal(ActivityStatus.Cancelled, (await client.CancelActivityAsync("run/step%", "re ports"))!.Status);
        Assert.Null(await client.FindActivityAsync("none"));
        await Assert.ThrowsAsync<GatewayException>(() => client.FindActivityAsync("none", "nowhere"));

        Assert.Equal(
            ["/v1/activities/run%2Fstep%25?connection=default", "/v1/activities/run%2Fstep%25/cancel?connection=re%20ports"],
            server.Paths.Take(2));
    }

    [Fact]
    public async Task FaultsOfTheOptions_AreToldAtOnce()
    {
        var services = new ServiceCollection();
        services.AddGatewayClient(options =>
        {
            options.Address = new Uri("ftp://gateway");
            options.ApiKey = "gw_secret\n";
            options.Tries = 0;
            options.DefaultTimeoutMs = 0;
            options.AnswerMarginMs = 0;
        });
        await using var provider = services.BuildServiceProvider();

        var error = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<GatewayClient>());

        Assert.All(
            new[] { "Address", "ApiKey", "Tries", "DefaultTimeoutMs", "AnswerMarginMs" }, name => Assert.Contains(name, error.Message));
        Assert.DoesNotContain("gw_secret", error.Message);
    }

    [Theory]
    [InlineData("http://gateway", "k", 1, 1, 1, true)]
    [InlineData("https://gateway:8443/behind/a/proxy/", null, 1000, 300_000, 3_600_000, true)]
    [InlineData("gateway", null, 5, 1, 1, false)]
    [InlineData("http://gateway?x=1", null, 5, 1, 1, false)]
    [InlineData("http://user:password@gateway", null, 5, 1, 1, false)]
    [InlineData(null, null, 5, 1, 1, false)]
    [InlineData("http://gateway", "a b", 5, 1, 1, false)]
    [InlineData("http://gateway", null, 1001, 1, 1, false)]
    [InlineData("http://gateway", null, 5, 300_001, 1, false)]
    [InlineData("http://gateway", null, 5, 1, 3_600_001, false)]
    public void Options_AreChecked(string? address, string? key, int tries, int timeout, int margin, bool valid)
    {
        var options = new GatewayClientOptions
        {
            Address = address is null ? null : new Uri(address, UriKind.RelativeOrAbsolute),
            ApiKey = key,
            Tries = tries,
            DefaultTimeoutMs = timeout,
            AnswerMarginMs = margin,
        };

        var error = Record.Exception(() => new GatewayClient(options).Dispose());

        Assert.Equal(valid, error is null);
        Assert.True(error is null or OptionsValidationException);
    }

    [Fact]
    public void Library_NeedsNothingOfAspNetCore()
    {
        var needed = typeof(GatewayClient).Assembly.GetReferencedAssemblies().Select(name => name.Name!);

        Assert.DoesNotContain(needed, name => name.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal));
    }
}
