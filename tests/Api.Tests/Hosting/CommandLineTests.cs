using Gateway.Api.Configuration;
using Gateway.Api.Hosting;

namespace Gateway.Api.Tests.Hosting;

/// <summary>
/// Tests that an invalid command line ends the start, and that no gateway starts with other settings than intended.
/// </summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData("\"jurnal\" is neither a command nor a setting", "jurnal", "install")]
    [InlineData("\"instal\" is neither a command nor a setting", "journal", "install", "instal")]
    [InlineData("Required command was not provided", "journal")]
    [InlineData("Required command was not provided", "key")]
    [InlineData("\"neu\" is neither a command nor a setting", "key", "neu")]
    [InlineData("\"well\" is neither a command nor a setting", "healthcheck", "well")]
    [InlineData("\"ready\" is neither a command nor a setting", "healthcheck", "live", "ready")]
    [InlineData("\"now\" is neither a command nor a setting", "serve", "now")]
    [InlineData("key new takes no settings", "key", "new", "--DSN=x")]
    [InlineData("openapi takes no settings", "openapi", "--DSN=x")]
    [InlineData("--fast is neither an option nor a setting", "journal", "install", "--fast")]
    [InlineData("exclude each other", "journal", "install", "--simple", "--journal-key")]
    [InlineData("Required argument missing", "journal", "install", "--connection")]
    [InlineData("--DNS is neither an option nor a setting", "--DNS=x")]
    [InlineData("--Gateway__PoolSize is neither an option nor a setting", "--Gateway__PoolSize=3")]
    [InlineData("--Gateway:PoolSize has no value", "--Gateway:PoolSize")]
    [InlineData("--urls has no value", "--urls", "--DSN=x")]
    [InlineData("An argument is neither a command nor a setting", "postgresql://me:secret@db/app")]
    [InlineData("An argument is neither a command nor a setting", "@secret")]
    [InlineData("An argument is neither an option nor a setting", "--postgresql://me:secret@db/app")]
    [InlineData("An argument has no value", "--DSN:postgresql://me:secret@db/app")]
    [InlineData("An argument is neither a command nor a setting", "-x", "secret.txt")]
    public async Task InvalidCommandLine_EndsTheStart(string said, params string[] args)
    {
        var error = await Assert.ThrowsAsync<StartupException>(() => CommandLine.RunAsync(args));

        Assert.Contains(said, error.Message);
        Assert.DoesNotContain("secret", error.Message);
    }
}
