namespace Gateway.Tests;

/// <summary>The repository that the tests were built from.</summary>
internal static class Repository
{
    /// <summary>Gets the repository's root folder.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Returns the path of a file or folder, given relative to the root.</summary>
    public static string PathOf(string path) => Path.Combine(Root, path);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Gateway.sln")))
            folder = folder.Parent ?? throw new FileNotFoundException("Gateway.sln is in no folder above the tests.");
        return folder.FullName;
    }
}
