namespace Gateway.Api.Configuration;

/// <summary>
/// Reads settings from files, as an orchestrator mounts secrets: a file's name is the name of a setting, with
/// <c>__</c>, and its content is the value. Files are safer than environment variables, which everyone who may inspect
/// the process sees, and which each child process inherits.
/// </summary>
internal static class SecretsFolder
{
    private const string Setting = "Gateway__SecretsFolder";

    /// <summary>
    /// Adds the settings in the folder's files. They override the sources that were added before. Does nothing if no
    /// folder is set.
    /// </summary>
    /// <exception cref="StartupException">The folder does not exist, or can't be read.</exception>
    public static void AddSecretsFolder(this ConfigurationManager settings)
    {
        if (settings[Setting.Replace("__", ":")] is not { } folder)
            return;
        if (!Directory.Exists(folder))
        {
            throw new StartupException(
                $"{Setting} is \"{folder}\": there is no such folder. Mount the secrets there, or unset it.");
        }
        try
        {
            // The files are read once, as all settings are. The names of the links that Kubernetes puts beside the
            // files begin with a dot; they are skipped.
            settings.AddKeyPerFile(Path.GetFullPath(folder), optional: false, reloadOnChange: false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StartupException(
                    $"{Setting} is \"{folder}\": {error.Message} The gateway's user must be able to read its files.",
                    error);
        }
    }
}
