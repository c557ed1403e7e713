namespace Gateway.Api.Configuration;

/// <summary>
/// Settings by files, as an orchestrator mounts secrets: a file's name is the setting's, with <c>__</c>, and what it holds is its
/// value. What an environment holds is seen by whoever may describe the process, and is handed to each process that it starts.
/// </summary>
internal static class SecretsFolder
{
    private const string Setting = "Gateway__SecretsFolder";

    /// <summary>Adds the files' settings, over those that have been read before, where the folder is named among them.</summary>
    /// <exception cref="StartupException">There is no such folder, or it can't be read.</exception>
    public static void AddSecretsFolder(this ConfigurationManager settings)
    {
        if (settings[Setting.Replace("__", ":")] is not { } folder)
            return;
        if (!Directory.Exists(folder))
            throw new StartupException($"{Setting} is \"{folder}\": there is no such folder. Mount the secrets there, or unset it.");
        try
        {
            // Read once: the settings are. The links that Kubernetes keeps beside the files begin with a dot, and are left out.
            settings.AddKeyPerFile(Path.GetFullPath(folder), optional: false, reloadOnChange: false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"{Setting} is \"{folder}\": {error.Message} The gateway's user must be able to read its files.", error);
        }
    }
}
