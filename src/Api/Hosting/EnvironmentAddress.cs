using System.Collections;

namespace Gateway.Api.Hosting;

/// <summary>
/// Reads the address that the gateway listens on from the environment, for the health check. .NET's configuration would
/// take half of the check's time; it is used if the address may be somewhere else.
/// </summary>
internal static class EnvironmentAddress
{
    /// <summary>The prefixes of the settings' names, in the order in which .NET's configuration prefers them.</summary>
    private static readonly string[] Prefixes = ["", "DOTNET_", "ASPNETCORE_"];

    /// <summary>Returns the first address, as its own machine reaches it.</summary>
    /// <returns>
    /// Null if a file may have an address, or the address is not of the form <c>http://HOST:PORT</c> with a name or an
    /// IPv4 address.
    /// </returns>
    public static (string Host, int Port)? Find()
    {
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory, "appsettings*.json"))
        {
            var text = File.ReadAllText(file);
            if (Contains(text, "urls") || Contains(text, "http_ports"))
                return null;
        }
        return Find(Environment.GetEnvironmentVariables());
    }

    /// <summary>Returns the first address of an environment, as its own machine reaches it.</summary>
    /// <returns>Null if the address has another form.</returns>
    internal static (string Host, int Port)? Find(IDictionary variables)
    {
        if (First(variables, "URLS") is not { } url)
            return First(variables, "HTTP_PORTS") is { } only ? Address("*", only) : ("localhost", 8080);
        if (!url.StartsWith("http://", StringComparison.Ordinal))
            return null;
        var authority = url["http://".Length..].TrimEnd('/');
        var colon = authority.LastIndexOf(':');
        return colon > 0 ? Address(authority[..colon], authority[(colon + 1)..]) : null;
    }

    /// <summary>
    /// Returns a host as its own machine reaches it: <c>*</c> and the like stand for all of the machine's addresses.
    /// </summary>
    public static string FromItsMachine(string host) =>
        host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : host;

    private static (string Host, int Port)? Address(string host, string port)
    {
        var name = FromItsMachine(host);
        foreach (var character in name)
        {
            if (!char.IsAsciiLetterOrDigit(character) && character is not ('.' or '-'))
                return null;
        }
        return ushort.TryParse(port, out var number) ? (name, number) : null;
    }

    /// <summary>Returns the first word of a setting; null if the setting is absent or empty.</summary>
    private static string? First(IDictionary variables, string setting)
    {
        foreach (var prefix in Prefixes)
        {
            foreach (DictionaryEntry variable in variables)
            {
                if (string.Equals((string)variable.Key, prefix + setting, StringComparison.OrdinalIgnoreCase))
                    return Listening.Words((string)variable.Value!).FirstOrDefault();
            }
        }
        return null;
    }

    private static bool Contains(string text, string name) => text.Contains(name, StringComparison.OrdinalIgnoreCase);
}
