using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Dsns;
using Gateway.Api.Hosting;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>Tests that the manifests agree with the application.</summary>
public sealed class ManifestTests
{
    /// <summary>The sessions of a replica outside of its pool: docs/database-roles.md.</summary>
    private const int OwnSessions = 8;

    /// <summary>The sessions for ordinary roles, of PostgreSQL's default max_connections, 100.</summary>
    private const int ServerSessions = 97;

    public static TheoryData<string> Overlays => Manifests.Overlays;

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Settings_AreTheApplications(string overlay)
    {
        var (manifests, secrets) = await ReadAsync(overlay);

        Assert.Equal(["gateway", "gateway-journal"], manifests.GatewayPods.Select(pod => pod.Name).Order());
        Assert.All(manifests.GatewayPods, pod =>
        {
            using var settings = MountedSettings.Read(manifests, secrets, pod.Template);
            // Reports each unknown setting, each of the wrong type, and each missing one.
            var read = GatewayConfiguration.Read(settings.Configuration);
            Assert.True(read.Callers.AreConfigured);
            Assert.All(settings.Variables.Keys, name => Assert.Matches("^(Gateway__.+|ASPNETCORE_URLS)$", name));
        });
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Variables_HoldNoSecret(string overlay)
    {
        var (manifests, secrets) = await ReadAsync(overlay);

        Assert.DoesNotContain("secretKeyRef", manifests.Text);
        Assert.DoesNotContain("secretRef", manifests.Text);
        Assert.Empty(manifests.OfKind("Secret"));
        Assert.All(manifests.GatewayPods, pod =>
        {
            using var settings = MountedSettings.Read(manifests, secrets, pod.Template);
            Assert.DoesNotContain(settings.Variables.Keys, name => name.Contains("__Keys__", StringComparison.Ordinal));
            var dsns = settings.Variables.Where(setting => setting.Key.EndsWith("Dsn", StringComparison.OrdinalIgnoreCase)).ToArray();
            Assert.NotEmpty(dsns);
            Assert.All(dsns, dsn => Assert.Null(Dsn.Parse(dsn.Value).Password));
        });
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Ports_AreThoseThatItListensOn(string overlay)
    {
        var (manifests, secrets) = await ReadAsync(overlay);
        var deployment = manifests.Find("Deployment", "gateway");
        using var settings = MountedSettings.Read(manifests, secrets, Template(deployment));
        var listened = HealthcheckCommand.FindAddress(settings.Configuration).Port;

        var port = Assert.Single(Container(deployment)["ports"]!.AsArray())!;
        Assert.Equal(listened, port["containerPort"]!.GetValue<int>());
        var name = port["name"]!.GetValue<string>();
        Assert.All(Probes(deployment), probe => Assert.Equal(name, probe["port"]!.GetValue<string>()));
        var service = manifests.Find("Service", "gateway");
        Assert.Equal(name, Assert.Single(service["spec"]!["ports"]!.AsArray())!["targetPort"]!.GetValue<string>());
        var allowed = manifests.Find("NetworkPolicy", "gateway")["spec"]!["ingress"]!.AsArray().SelectMany(rule => Ports(rule!)).ToArray();
        Assert.NotEmpty(allowed);
        Assert.All(allowed, number => Assert.Equal(listened, number));
        foreach (var monitor in manifests.OfKind("ServiceMonitor"))
        {
            var endpoint = Assert.Single(monitor["spec"]!["endpoints"]!.AsArray())!;
            Assert.Equal(service["spec"]!["ports"]![0]!["name"]!.GetValue<string>(), endpoint["port"]!.GetValue<string>());
            Assert.Equal("/metrics", endpoint["path"]!.GetValue<string>());
            AssertSelects(monitor["spec"]!["selector"]!["matchLabels"]!, service["metadata"]!["labels"]!);
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Probes_AreInTheContract(string overlay)
    {
        var (manifests, _) = await ReadAsync(overlay);
        var contract = await File.ReadAllTextAsync(Repository.PathOf("openapi.yaml"), TestContext.Current.CancellationToken);

        var paths = Probes(manifests.Find("Deployment", "gateway")).Select(probe => probe["path"]!.GetValue<string>()).ToArray();

        Assert.Equal(["/healthz/startup", "/healthz/live", "/healthz/ready"], paths);
        Assert.All(paths, path => Assert.Contains($"\n  {path}:", contract));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task GracePeriod_IsLongerThanTheLongestRequest(string overlay)
    {
        var (manifests, secrets) = await ReadAsync(overlay);
        var deployment = manifests.Find("Deployment", "gateway");
        using var settings = MountedSettings.Read(manifests, secrets, Template(deployment));

        var longest = TimeSpan.FromMilliseconds(GatewayConfiguration.Read(settings.Configuration).Options.MaxTimeoutMs);
        var asleep = TimeSpan.FromSeconds(Container(deployment)["lifecycle"]!["preStop"]!["sleep"]!["seconds"]!.GetValue<int>());
        var grace = TimeSpan.FromSeconds(Template(deployment)["spec"]!["terminationGracePeriodSeconds"]!.GetValue<int>());

        Assert.True(grace >= asleep + longest + TimeSpan.FromSeconds(10), $"{grace} is not longer than {asleep} and {longest}.");
        Assert.Equal(0, deployment["spec"]!["strategy"]!["rollingUpdate"]!["maxUnavailable"]!.GetValue<int>());
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task NetworkPolicies_LetThroughWhatIsConfiguredAndNothingElse(string overlay)
    {
        var (manifests, secrets) = await ReadAsync(overlay);
        var policies = manifests.OfKind("NetworkPolicy").ToArray();

        var everything = manifests.Find("NetworkPolicy", "default-deny")["spec"]!;
        Assert.Empty(everything["podSelector"]!.AsObject());
        Assert.Equal(["Ingress", "Egress"], everything["policyTypes"]!.AsArray().Select(type => type!.GetValue<string>()));
        Assert.Null(everything["ingress"]);
        Assert.Null(everything["egress"]);
        // A rule without peers or without ports allows all of them.
        Assert.All(policies.SelectMany(Rules), rule =>
        {
            Assert.NotEmpty((rule["from"] ?? rule["to"])!.AsArray());
            Assert.NotEmpty(Ports(rule));
        });
        Assert.All(manifests.GatewayPods, pod =>
        {
            using var settings = MountedSettings.Read(manifests, secrets, pod.Template);
            var selecting = policies.Where(policy => Selects(policy["spec"]!["podSelector"]!["matchLabels"], pod.Template["metadata"]!["labels"]!));
            var outwards = selecting.SelectMany(policy => policy["spec"]!["egress"]?.AsArray() ?? []).SelectMany(rule => Ports(rule!)).Distinct();
            var databases = GatewayConfiguration.Read(settings.Configuration).Dsns.Values.Select(dsn => dsn.Value.Port);
            int[] beside = pod.Name == "gateway" ? [53, 443, 4317, 4318] : [53];
            Assert.Equal(databases.Concat(beside).Distinct().Order(), outwards.Order());
        });
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task References_AreToWhatIsThere(string overlay)
    {
        var (manifests, secrets) = await ReadAsync(overlay);
        var deployment = manifests.Find("Deployment", "gateway");
        var labels = Template(deployment)["metadata"]!["labels"]!;

        AssertSelects(deployment["spec"]!["selector"]!["matchLabels"]!, labels);
        AssertSelects(manifests.Find("Service", "gateway")["spec"]!["selector"]!, labels);
        Assert.All(Template(deployment)["spec"]!["topologySpreadConstraints"]!.AsArray(), spread =>
            AssertSelects(spread!["labelSelector"]!["matchLabels"]!, labels));
        Assert.All(manifests.OfKind("PodDisruptionBudget"), budget => AssertSelects(budget["spec"]!["selector"]!["matchLabels"]!, labels));
        Assert.All(manifests.OfKind("HorizontalPodAutoscaler"), autoscaler =>
            manifests.Find("Deployment", autoscaler["spec"]!["scaleTargetRef"]!["name"]!.GetValue<string>()));
        Assert.All(manifests.OfKind("NetworkPolicy"), policy => Assert.Contains(manifests.Pods, pod =>
            Selects(policy["spec"]!["podSelector"]!["matchLabels"], pod.Template["metadata"]!["labels"]!)));
        Assert.All(manifests.GatewayPods, pod =>
            manifests.Find("ServiceAccount", pod.Template["spec"]!["serviceAccountName"]!.GetValue<string>()));
        var space = Manifests.NameOf(Assert.Single(manifests.OfKind("Namespace")));
        Assert.All(manifests.Documents.Where(document => document["kind"]!.GetValue<string>() != "Namespace"), document =>
            Assert.Equal(space, document["metadata"]!["namespace"]!.GetValue<string>()));
        // Only the journal's Job has the administrator's DSN.
        Assert.Contains(secrets, secret => secret["stringData"]!["ADMIN_DSN"] is not null && Manifests.NameOf(secret) == "gateway-journal-secrets");
        Assert.DoesNotContain("gateway-journal-secrets", deployment.ToJsonString());
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Images_AreOfOneVersionAndRunAsTheirOwnUser(string overlay)
    {
        var (manifests, _) = await ReadAsync(overlay);
        var images = manifests.Pods.SelectMany(pod => pod.Template["spec"]!["containers"]!.AsArray())
            .Select(container => container!["image"]!.GetValue<string>()).ToArray();

        Assert.All(images, image => Assert.Matches("(:[^:/]+|@sha256:[0-9a-f]{64})$", image));
        Assert.All(images, image => Assert.DoesNotMatch(":latest$", image));
        Assert.Single(manifests.GatewayPods.Select(pod => pod.Template["spec"]!["containers"]![0]!["image"]!.GetValue<string>()).Distinct());
        var user = (await Dockerfile.ReadAsync()).Last("USER").Split(':').Select(number => int.Parse(number, CultureInfo.InvariantCulture));
        Assert.All(manifests.GatewayPods, pod =>
        {
            var context = pod.Template["spec"]!["securityContext"]!;
            Assert.Equal(user, [context["runAsUser"]!.GetValue<int>(), context["runAsGroup"]!.GetValue<int>()]);
        });
    }

    [Fact]
    public async Task Production_FitsItsServerAndItsMemory()
    {
        var (manifests, secrets) = await ReadAsync("production");
        var deployment = manifests.Find("Deployment", "gateway");
        using var settings = MountedSettings.Read(manifests, secrets, Template(deployment));
        var options = GatewayConfiguration.Read(settings.Configuration).Options;
        var connection = options.Connections[GatewayOptions.DefaultConnection];
        var scale = manifests.Find("HorizontalPodAutoscaler", "gateway")["spec"]!;

        // During a rollout one more replica runs.
        Assert.InRange((scale["maxReplicas"]!.GetValue<int>()) * (connection.PoolSize + OwnSessions), 1, ServerSessions);
        Assert.True(scale["minReplicas"]!.GetValue<int>() >= 3);
        Assert.Null(deployment["spec"]!["replicas"]);
        Assert.Contains("@sha256:", Container(deployment)["image"]!.GetValue<string>());

        // The calculation in deploy/README.md. The runtime uses at most 75 % of the limit.
        var limit = long.Parse(Container(deployment)["resources"]!["limits"]!["memory"]!.GetValue<string>().Replace("Mi", ""), CultureInfo.InvariantCulture) << 20;
        var budget = options.MemoryBudgetBytes ?? Math.Max(limit / 4 * 3 / 3, MemoryBudget.LeastFor(options));
        var held = (160L << 20) + budget + (options.MaxConnections * 128L * 1024) + ((connection.PoolSize + OwnSessions) * (3L << 19));
        Assert.True(held <= limit * 3 / 4, $"{held >> 20} MiB may be held, and the limit is {limit >> 20} MiB.");
    }

    [Fact]
    public async Task PrometheusRule_HasTheAlerts()
    {
        var rule = (await Manifests.RenderAsync("production")).Find("PrometheusRule", "gateway");
        var alerts = Assert.Single(await Manifests.ReadAsync("deploy/prometheus/alerts.yaml"));

        Assert.True(JsonNode.DeepEquals(alerts, rule["spec"]), rule["spec"]!.ToJsonString());
    }

    /// <summary>
    /// PostgreSQL's image runs the scripts in the order of their names: the roles get rights on the demo's tables.
    /// </summary>
    [Fact]
    public async Task PostgresOfDevelopment_MakesTheDemoAndThenTheRoles()
    {
        var manifests = await Manifests.RenderAsync("development");
        var pod = manifests.Find("Deployment", "postgres")["spec"]!["template"]!["spec"]!;
        var mount = pod["containers"]![0]!["volumeMounts"]!.AsArray()
            .Single(mount => mount!["mountPath"]!.GetValue<string>() == "/docker-entrypoint-initdb.d")!;
        var volume = pod["volumes"]!.AsArray()
            .Single(volume => volume!["name"]!.GetValue<string>() == mount["name"]!.GetValue<string>())!;
        var map = volume["configMap"]!;
        var scripts = manifests.Find("ConfigMap", map["name"]!.GetValue<string>())["data"]!.AsObject();

        Assert.Equal(["demo.sql", "roles.sh"], scripts.Select(script => script.Key).Order(StringComparer.Ordinal));
        foreach (var (name, content) in scripts)
        {
            var file = Repository.PathOf($"deploy/k8s/postgres/{name}");
            var text = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
            Assert.Equal(text, content!.GetValue<string>());
        }
        Assert.Equal(Convert.ToInt32("555", 8), map["defaultMode"]!.GetValue<int>());
    }

    [Fact]
    public async Task Development_HasOneReplicaAndNoAutoscaler()
    {
        var (manifests, _) = await ReadAsync("development");

        Assert.Equal(1, manifests.Find("Deployment", "gateway")["spec"]!["replicas"]!.GetValue<int>());
        Assert.Empty(manifests.OfKind("HorizontalPodAutoscaler"));
        Assert.Empty(manifests.OfKind("PodDisruptionBudget"));
    }

    private static async Task<(Manifests Manifests, IReadOnlyList<JsonNode> Secrets)> ReadAsync(string overlay) =>
        (await Manifests.RenderAsync(overlay), await Manifests.ReadAsync(Manifests.SecretsExample));

    private static JsonNode Template(JsonNode workload) => workload["spec"]!["template"]!;

    private static JsonNode Container(JsonNode workload) => Template(workload)["spec"]!["containers"]!.AsArray().Single()!;

    private static IEnumerable<JsonNode> Probes(JsonNode workload) =>
        ((string[])["startupProbe", "livenessProbe", "readinessProbe"]).Select(name => Container(workload)[name]!["httpGet"]!);

    private static IEnumerable<JsonNode> Rules(JsonNode policy) =>
        (policy["spec"]!["ingress"]?.AsArray() ?? []).Concat(policy["spec"]!["egress"]?.AsArray() ?? []).Select(rule => rule!);

    private static IEnumerable<int> Ports(JsonNode rule) => rule["ports"]!.AsArray().Select(port => port!["port"]!.GetValue<int>());

    private static bool Selects(JsonNode? selector, JsonNode labels) =>
        (selector?.AsObject() ?? []).All(label => labels[label.Key]?.GetValue<string>() == label.Value!.GetValue<string>());

    private static void AssertSelects(JsonNode selector, JsonNode labels)
    {
        Assert.NotEmpty(selector.AsObject());
        Assert.True(Selects(selector, labels), $"{selector.ToJsonString()} does not select {labels.ToJsonString()}.");
    }
}
