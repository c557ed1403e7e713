namespace Gateway.LocalPostgres.Tests;

/// <summary>A temporary folder that the server's user can enter.</summary>
internal sealed class TestFolder : IDisposable
{
    private const UnixFileMode Everyone = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    public TestFolder() => File.SetUnixFileMode(Path, Everyone);

    public string Path { get; } = Directory.CreateTempSubdirectory("local-postgres-tests-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);

    public LocalPostgresOptions Options(bool keepData = false) => new()
    {
        Folder = In("server"),
        KeepData = keepData,
        Settings = new Dictionary<string, string> { ["fsync"] = "off" },
    };

    public string In(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a program that prints a given text.</summary>
    public void Program(string name, string prints)
    {
        var path = In(name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, $"#!/bin/sh\necho '{prints}'\n");
        File.SetUnixFileMode(path, Everyone);
    }
}
