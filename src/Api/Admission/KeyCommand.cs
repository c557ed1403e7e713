using Gateway.Api.Connections;

namespace Gateway.Api.Admission;

/// <summary><c>key new</c>: makes a caller's key, which is shown this once, and its hash for the settings.</summary>
internal static class KeyCommand
{
    public static bool Is(string[] args) => args is ["key", ..];

    /// <returns>The exit code.</returns>
    /// <exception cref="StartupException">It is another command.</exception>
    public static async Task<int> RunAsync(string[] args)
    {
        if (args is not ["key", "new"])
            throw new StartupException("The command is key new.");
        var key = ApiKey.New();
        await Console.Out.WriteLineAsync(
            $"""
            key:   {key}
            hash:  {ApiKey.WriteHash(key)}

            Give the key to the caller, who sends it as "Authorization: Bearer KEY"; nothing keeps it. Set Gateway__Callers__NAME__Keys__0
            to the hash, and Gateway__Callers__NAME__Connections__CONNECTION to read or write (docs/callers.md).
            """);
        return 0;
    }
}
