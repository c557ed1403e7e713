using System.Text.Json.Nodes;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>
/// Checks the rules of the Pod Security Standard "restricted", one by one, and some stricter rules of our own.
/// </summary>
internal static class PodSecurity
{
    private static readonly string[] Volumes =
        ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

    /// <returns>The rules that the pod breaks.</returns>
    public static IEnumerable<string> FindFaults(JsonNode template)
    {
        var pod = template["spec"]!;
        var context = pod["securityContext"];
        foreach (var name in (string[])["hostNetwork", "hostPID", "hostIPC"])
        {
            if (Is(pod[name], true))
                yield return name;
        }
        foreach (var volume in Array(pod["volumes"]))
        {
            if (!Volumes.Any(type => volume[type] is not null))
                yield return $"volume {volume["name"]}";
        }
        if (context?["sysctls"] is not null)
            yield return "sysctls";
        if (!Is(pod["automountServiceAccountToken"], false))
            yield return "automountServiceAccountToken";

        foreach (var container in Array(pod["containers"]).Concat(Array(pod["initContainers"])))
        {
            var own = container["securityContext"];
            if (!Is(own?["runAsNonRoot"] ?? context?["runAsNonRoot"], true))
                yield return "runAsNonRoot";
            if ((own?["runAsUser"] ?? context?["runAsUser"])?.GetValue<int>() is null or 0)
                yield return "runAsUser";
            if ((own?["seccompProfile"] ?? context?["seccompProfile"])?["type"]?.GetValue<string>() is not ("RuntimeDefault" or "Localhost"))
                yield return "seccompProfile";
            if (!Is(own?["allowPrivilegeEscalation"], false))
                yield return "allowPrivilegeEscalation";
            if (Is(own?["privileged"], true))
                yield return "privileged";
            if (!Is(own?["readOnlyRootFilesystem"], true))
                yield return "readOnlyRootFilesystem";
            if (!Array(own?["capabilities"]?["drop"]).Any(capability => capability.GetValue<string>() == "ALL"))
                yield return "capabilities.drop";
            if (Array(own?["capabilities"]?["add"]).Any(capability => capability.GetValue<string>() != "NET_BIND_SERVICE"))
                yield return "capabilities.add";
            if (own?["procMount"] is not null)
                yield return "procMount";
            if (Array(container["ports"]).Any(port => port["hostPort"] is not null))
                yield return "hostPort";
            if (container["resources"]?["requests"]?["cpu"] is null || container["resources"]?["limits"]?["memory"] is null)
                yield return "resources";
        }
    }

    private static bool Is(JsonNode? node, bool value) => node is not null && node.GetValue<bool>() == value;

    private static IEnumerable<JsonNode> Array(JsonNode? node) => node?.AsArray().Select(element => element!) ?? [];
}
