using System.Text.Json.Nodes;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>
/// Tests that each pod may run in a namespace that enforces "restricted", and that each namespace enforces it.
/// </summary>
public sealed class PodSecurityTests
{
    public static TheoryData<string> Overlays => Manifests.Overlays;

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task EveryPod_IsRestricted(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);

        Assert.NotEmpty(manifests.GatewayPods);
        Assert.All(manifests.Pods, pod => Assert.Empty(PodSecurity.FindFaults(pod.Template)));
        var labels = Assert.Single(manifests.OfKind("Namespace"))["metadata"]!["labels"]!;
        Assert.All((string[])["enforce", "audit", "warn"], mode =>
            Assert.Equal("restricted", labels[$"pod-security.kubernetes.io/{mode}"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("hostNetwork", """{"hostNetwork": true}""")]
    [InlineData("volume", """{"volumes": [{"name": "secrets", "hostPath": {"path": "/"}}]}""")]
    [InlineData("automountServiceAccountToken", """{"automountServiceAccountToken": true}""")]
    [InlineData("runAsNonRoot", """{"securityContext": {"runAsUser": 1654, "seccompProfile": {"type": "RuntimeDefault"}}}""")]
    [InlineData("runAsUser", """{"securityContext": {"runAsUser": 0, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}}""")]
    [InlineData("seccompProfile", """{"securityContext": {"runAsUser": 1654, "runAsNonRoot": true}}""")]
    [InlineData("allowPrivilegeEscalation", """{"securityContext": {"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}""", true)]
    [InlineData("readOnlyRootFilesystem", """{"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}""", true)]
    [InlineData("capabilities.drop", """{"securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true}}""", true)]
    [InlineData("hostPort", """{"ports": [{"containerPort": 8080, "hostPort": 8080}]}""", true)]
    [InlineData("resources", """{"resources": {}}""", true)]
    public async Task BrokenRule_IsFound(string rule, string change, bool isContainers = false)
    {
        var template = (await Manifests.RenderAsync("production")).Find("Deployment", "gateway")["spec"]!["template"]!.DeepClone();
        var changed = isContainers ? template["spec"]!["containers"]![0]! : template["spec"]!;
        foreach (var (name, value) in JsonNode.Parse(change)!.AsObject())
            changed[name] = value!.DeepClone();

        Assert.Contains(rule, string.Join(", ", PodSecurity.FindFaults(template)));
    }
}
