using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>Represents the documents of an overlay, as <c>kubectl kustomize</c> renders it.</summary>
internal sealed class Manifests
{
    public const string SecretsExample = "deploy/k8s/secrets.example.yaml";

    private const string Checker = "tests/clients/manifests";

    private static readonly ConcurrentDictionary<string, Lazy<Task<Manifests>>> Rendered = new(StringComparer.Ordinal);

    private static readonly ConcurrentDictionary<string, Lazy<Task<IReadOnlyList<JsonNode>>>> Read =
        new(StringComparer.Ordinal);

    private Manifests(string text, IReadOnlyList<JsonNode> documents) => (Text, Documents) = (text, documents);

    /// <summary>Gets the overlays; each is a folder.</summary>
    public static TheoryData<string> Overlays =>
        [.. Directory.GetDirectories(Repository.PathOf("deploy/k8s/overlays")).Select(folder => Path.GetFileName(folder))];

    public string Text { get; }

    public IReadOnlyList<JsonNode> Documents { get; }

    /// <summary>Gets all pod templates, by the workload's name.</summary>
    public IEnumerable<(string Name, JsonNode Template)> Pods => Documents
        .Where(document => document["spec"]?["template"] is not null)
        .Select(document => (NameOf(document), document["spec"]!["template"]!));

    /// <summary>Gets the pod templates with the gateway's image: the replicas and the journal's Job.</summary>
    public IEnumerable<(string Name, JsonNode Template)> GatewayPods =>
        Pods.Where(pod => pod.Template["metadata"]!["labels"]!["app.kubernetes.io/name"]!.GetValue<string>() == "gateway");

    public static Task<Manifests> RenderAsync(string overlay) =>
        Rendered.GetOrAdd(overlay, _ => new Lazy<Task<Manifests>>(() => RenderOnceAsync(overlay))).Value;

    /// <summary>Reads a file of the repository, once.</summary>
    public static Task<IReadOnlyList<JsonNode>> ReadAsync(string path) =>
        Read.GetOrAdd(path, _ => new Lazy<Task<IReadOnlyList<JsonNode>>>(() => ReadOnceAsync(path))).Value;

    /// <summary>Validates a file against the schema of its reader.</summary>
    /// <param name="form"><c>kubernetes</c> or <c>compose</c>.</param>
    /// <param name="text">The file's content.</param>
    /// <returns>0 if there is no fault, and the faults.</returns>
    public static async Task<(int Code, string Faults)> CheckTextAsync(string form, string text)
    {
        var (code, output, errors) = await WithFileAsync(text, file => CheckAsync(form, file));
        return (code, output + errors);
    }

    public static string NameOf(JsonNode document) => document["metadata"]!["name"]!.GetValue<string>();

    public JsonNode Find(string kind, string name) =>
        Documents.Single(document => document["kind"]!.GetValue<string>() == kind && NameOf(document) == name);

    public IEnumerable<JsonNode> OfKind(string kind) => Documents.Where(document => document["kind"]!.GetValue<string>() == kind);

    private static async Task<Manifests> RenderOnceAsync(string overlay)
    {
        await using var kubectl = new ClientProcess(
            Repository.Root, "kubectl", ["kustomize", Repository.PathOf($"deploy/k8s/overlays/{overlay}")]);
        var code = await kubectl.WaitForExitAsync();
        Assert.True(code == 0, kubectl.Errors);
        return new Manifests(kubectl.Output, await WithFileAsync(kubectl.Output, ReadOnceAsync));
    }

    private static async Task<IReadOnlyList<JsonNode>> ReadOnceAsync(string path)
    {
        var (code, output, errors) = await CheckAsync("json", path);
        Assert.True(code == 0, errors);
        return [.. JsonNode.Parse(output)!.AsArray().Select(document => document!)];
    }

    private static async Task<T> WithFileAsync<T>(string text, Func<string, Task<T>> use)
    {
        var file = Path.Combine(Path.GetTempPath(), $"gateway-manifests-{Guid.NewGuid():N}.yaml");
        await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);
        try
        {
            return await use(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task<(int Code, string Output, string Errors)> CheckAsync(string form, string file)
    {
        var folder = await NpmFolder.InstallAsync(Checker);
        await using var node = new ClientProcess(folder, "node", ["check.mjs", form, Path.Combine(Repository.Root, file)]);
        var code = await node.WaitForExitAsync();
        return (code, node.Output, node.Errors);
    }
}
