using System.CommandLine;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;

namespace Gateway.Api.Hosting;

/// <summary>
/// The command <c>key new</c>: makes a caller's key, which is shown only once, and its hash for the settings.
/// </summary>
internal static class KeyCommand
{
    public static Command Create()
    {
        var create = new Command(
            "new", "Makes a caller's key, which is shown only once, and its hash for the settings.");
        create.SetAction(line => CommandLine.SettingsOf(line) is []
            ? RunAsync()
            : throw new StartupException("key new takes no settings."));
        return new Command("key", "Makes callers' keys.") { create };
    }

    private static async Task<int> RunAsync()
    {
        var key = ApiKey.New();
        await Console.Out.WriteLineAsync(
            $"""
            key:   {key}
            hash:  {ApiKey.WriteHash(key)}

            Give the key to the caller, which sends it as "Authorization: Bearer KEY"; the gateway does not keep it.
            Set Gateway__Callers__NAME__Keys__0 to the hash, and Gateway__Callers__NAME__Connections__CONNECTION to
            read or write (docs/callers.md).
            """);
        return 0;
    }
}
