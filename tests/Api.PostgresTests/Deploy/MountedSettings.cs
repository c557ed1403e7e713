using System.Text.Json.Nodes;
using Gateway.Api.Configuration;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>
/// Represents the settings of a container: its variables, and its volumes as folders on this machine.
/// </summary>
internal sealed class MountedSettings : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("gateway-mounts-").FullName;

    private MountedSettings()
    {
    }

    /// <summary>Gets the variables, as in the manifests.</summary>
    public Dictionary<string, string> Variables { get; } = new(StringComparer.Ordinal);

    /// <summary>Gets the settings as the gateway reads them, including those in files.</summary>
    public ConfigurationManager Configuration { get; } = new();

    /// <param name="manifests">The manifests with the ConfigMaps.</param>
    /// <param name="secrets">The Secrets that the manifests expect.</param>
    /// <param name="template">The pod, with one container.</param>
    public static MountedSettings Read(Manifests manifests, IReadOnlyList<JsonNode> secrets, JsonNode template)
    {
        var settings = new MountedSettings();
        var container = Assert.Single(template["spec"]!["containers"]!.AsArray())!;
        foreach (var source in container["envFrom"]?.AsArray() ?? [])
        {
            foreach (var (name, value) in manifests.Find("ConfigMap", source!["configMapRef"]!["name"]!.GetValue<string>())["data"]!.AsObject())
                settings.Variables.Add(name, value!.GetValue<string>());
        }
        foreach (var variable in container["env"]?.AsArray() ?? [])
            settings.Variables.Add(variable!["name"]!.GetValue<string>(), variable["value"]!.GetValue<string>());

        var mounts = container["volumeMounts"]!.AsArray().Select(mount => mount!["mountPath"]!.GetValue<string>()).ToArray();
        foreach (var mount in container["volumeMounts"]!.AsArray())
            settings.Mount(mount!, template["spec"]!["volumes"]!.AsArray(), secrets);
        foreach (var (name, value) in settings.Variables)
        {
            settings.Configuration[name.Replace("__", ":").Replace("ASPNETCORE_", "")] =
                mounts.Any(path => value.StartsWith(path, StringComparison.Ordinal)) ? settings._root + value : value;
        }
        settings.Configuration.AddSecretsFolder();
        return settings;
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private void Mount(JsonNode mount, JsonArray volumes, IReadOnlyList<JsonNode> secrets)
    {
        // A single mounted file does not change when its Secret changes.
        Assert.Null(mount["subPath"]);
        var folder = Directory.CreateDirectory(_root + mount["mountPath"]!.GetValue<string>()).FullName;
        var volume = volumes.Single(volume => volume!["name"]!.GetValue<string>() == mount["name"]!.GetValue<string>())!;
        var names = volume["secret"] is { } secret
            ? [secret["secretName"]!]
            : volume["projected"]!["sources"]!.AsArray().Select(source => source!["secret"]!["name"]!);
        foreach (var name in names)
        {
            var found = secrets.Single(candidate => Manifests.NameOf(candidate) == name.GetValue<string>());
            foreach (var (key, value) in found["stringData"]!.AsObject())
                File.WriteAllText(Path.Combine(folder, key), value!.GetValue<string>());
        }
    }
}
