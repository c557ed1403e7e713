using Gateway.Api.Configuration;
using Gateway.Api.Hosting;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.Tests.Configuration;

public sealed class SecretsFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-secrets-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void File_IsTheSettingOfItsName()
    {
        Write("DSN", "postgresql://me:secret@db/app\n");
        Write("Gateway__Connections__reports__Dsn", "host=reports user=me");

        var configuration = GatewayConfiguration.Read(ReadFolder(_folder));

        Assert.Equal("secret", configuration.Dsns["default"].Value.Password);
        Assert.Equal("reports", configuration.Dsns["reports"].Value.Host);
    }

    [Fact]
    public void File_TakesThePlaceOfAnEarlierSetting()
    {
        Write("Gateway__MaxTimeoutMs", "60000");

        Assert.Equal("60000", ReadFolder(_folder, ("Gateway:MaxTimeoutMs", "5000"))["Gateway:MaxTimeoutMs"]);
    }

    /// <summary>
    /// In a mounted volume each file is a link into a folder with a date in its name, through another link that is
    /// replaced atomically.
    /// </summary>
    [Fact]
    public void VolumeOfKubernetes_HasItsFilesOnceAndNothingElse()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "..2026_11_23"));
        Write(Path.Combine("..2026_11_23", "DSN"), "host=db user=me");
        Directory.CreateSymbolicLink(Path.Combine(_folder, "..data"), "..2026_11_23");
        File.CreateSymbolicLink(Path.Combine(_folder, "DSN"), Path.Combine("..data", "DSN"));

        var settings = ReadFolder(_folder);

        Assert.Equal(["DSN", "Gateway"], settings.GetChildren().Select(setting => setting.Key));
        Assert.Equal("db", GatewayConfiguration.Read(settings).Dsns["default"].Value.Host);
    }

    [Fact]
    public void MisspeltFile_IsAFault()
    {
        Write("DSN", "host=db user=me");
        Write("Gateway__MaxTimeout", "5000");

        var error = Assert.Throws<StartupException>(() => GatewayConfiguration.Read(ReadFolder(_folder)));

        Assert.Contains("Gateway__MaxTimeout is not a setting", error.Message);
    }

    [Theory]
    [InlineData("nowhere", "there is no such folder")]
    [InlineData("DSN", "there is no such folder")]
    [InlineData("", "there is no such folder")]
    public void WhatIsNoFolder_IsAFault(string name, string expected)
    {
        Write("DSN", "host=db user=me");

        var error = Assert.Throws<StartupException>(() => ReadFolder(name.Length == 0 ? "" : Path.Combine(_folder, name)));

        Assert.Contains("Gateway__SecretsFolder", error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void FileThatCannotBeRead_IsAFault()
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "DSN"), Path.Combine("..data", "DSN"));

        var error = Assert.Throws<StartupException>(() => ReadFolder(_folder));

        Assert.Contains("Gateway__SecretsFolder", error.Message);
        Assert.Contains("must be able to read its files", error.Message);
    }

    private void Write(string name, string value) => File.WriteAllText(Path.Combine(_folder, name), value);

    private static ConfigurationManager ReadFolder(string folder, params (string Name, string Value)[] settings)
    {
        var configuration = new ConfigurationManager();
        configuration.AddInMemoryCollection(settings.ToDictionary(setting => setting.Name, setting => (string?)setting.Value));
        configuration["Gateway:SecretsFolder"] = folder;
        configuration.AddSecretsFolder();
        return configuration;
    }
}
