namespace Gateway.LocalPostgres;

/// <summary>Reads the files that are embedded in the assembly.</summary>
internal static class Resources
{
    public static string Read(string name)
    {
        using var reader = new StreamReader(typeof(Resources).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
