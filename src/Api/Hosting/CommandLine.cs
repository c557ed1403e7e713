using System.CommandLine;
using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;

namespace Gateway.Api.Hosting;

/// <summary>
/// Reads the command line: a command with its options, and settings as <c>--NAME=VALUE</c>. Without a command the
/// gateway serves.
/// </summary>
internal static class CommandLine
{
    /// <summary>The first parts of the settings' names. .NET's host and Kestrel read some of them.</summary>
    private static readonly string[] Roots =
    [
        "DSN", "ADMIN_DSN", "Gateway", "Serilog", "Kestrel", "urls", "HTTP_PORTS", "environment", "contentRoot",
        "applicationName",
    ];

    /// <summary>Runs a command line.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartupException">
    /// The gateway can't start, or the command can't run; a sentence for each fault.
    /// </exception>
    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand(
            "Runs PostgreSQL statements for workflow activities, over HTTP. Without a command it serves until it is "
            + "stopped. Any setting can be given as --NAME=VALUE; the README lists them.")
        {
            CreateServe(), KeyCommand.Create(), JournalCommand.Create(), HealthcheckCommand.Create(), CreateOpenApi(),
        };
        root.SetAction(line => Program.ServeAsync(SettingsOf(line)));
        TakeSettings(root);
        // An argument that begins with "@" is not the name of a file with more arguments.
        var line = root.Parse(
            args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        // Checked first: the parser's own errors don't name a misspelt command.
        SettingsOf(line);
        if (line.Errors.Count > 0)
        {
            var errors = string.Join(' ', line.Errors.Select(error => error.Message));
            throw new StartupException($"{errors} --help shows how the command is used.");
        }
        // The gateway handles signals itself, so that it can finish the requests in flight.
        return await line.InvokeAsync(
            new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }

    /// <summary>Returns the settings of a command line, as .NET's configuration reads them.</summary>
    /// <exception cref="StartupException">An argument is neither a part of the command nor a setting.</exception>
    public static string[] SettingsOf(ParseResult line)
    {
        var tokens = line.UnmatchedTokens;
        var faults = new List<string>();
        for (var i = 0; i < tokens.Count; i++)
        {
            var token = tokens[i];
            var end = token.IndexOf('=', StringComparison.Ordinal);
            var name = end < 0 ? token : token[..end];
            if (!name.StartsWith("--", StringComparison.Ordinal))
            {
                faults.Add(
                    $"{ShowWord(token)} is neither a command nor a setting. --help lists the commands; a setting is "
                    + "--NAME=VALUE.");
            }
            else if (!IsSetting(name[2..]))
            {
                faults.Add(
                    $"{ShowName(name)} is neither an option nor a setting. --help lists the options, and the README "
                    + "the settings, as in --Gateway:BodyLimitBytes=1048576.");
            }
            else if (end < 0 && (++i == tokens.Count || tokens[i].StartsWith("--", StringComparison.Ordinal)))
                faults.Add($"{ShowName(name)} has no value; write {ShowName(name)}=VALUE.");
        }
        return faults.Count == 0 ? [.. tokens] : throw new StartupException(faults);
    }

    /// <summary>
    /// Returns a misspelt command for a message. Any other argument may be a DSN with its password, and is not shown.
    /// </summary>
    private static string ShowWord(string token) =>
        token.Length <= 32 && token.All(character => char.IsAsciiLetter(character) || character == '-')
            ? $"\"{token}\""
            : "An argument";

    /// <summary>
    /// Returns the name of an option or a setting for a message. A name with any other character may be a DSN, and is
    /// not shown.
    /// </summary>
    private static string ShowName(string name) =>
        name.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or ':' or '.')
            ? name
            : "An argument";

    private static bool IsSetting(string name) =>
        name.StartsWith("OTEL_", StringComparison.Ordinal)
        || Roots.Contains(name.Split(ConfigurationPath.KeyDelimiter)[0], StringComparer.OrdinalIgnoreCase);

    /// <summary>Leaves every argument that is not an option of a command to <see cref="SettingsOf"/>.</summary>
    private static void TakeSettings(Command command)
    {
        command.TreatUnmatchedTokensAsErrors = false;
        foreach (var subcommand in command.Subcommands)
            TakeSettings(subcommand);
    }

    private static Command CreateServe()
    {
        var command = new Command("serve", "Serves until it is stopped, as without a command.");
        command.SetAction(line => Program.ServeAsync(SettingsOf(line)));
        return command;
    }

    private static Command CreateOpenApi()
    {
        var command = new Command(
            "openapi", "Prints the OpenAPI document as YAML. It needs no settings and no database.");
        command.SetAction(line => SettingsOf(line) is []
            ? ContractDocument.PrintAsync()
            : throw new StartupException("openapi takes no settings."));
        return command;
    }
}
