namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>Tests that the manifests are valid by the types of the Kubernetes API.</summary>
public sealed class ManifestSchemaTests
{
    public static TheoryData<string> Overlays => Manifests.Overlays;

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Overlay_IsWhatTheApiTakes(string overlay)
    {
        var (code, faults) = await Manifests.CheckTextAsync("kubernetes", (await Manifests.RenderAsync(overlay)).Text);

        Assert.True(code == 0, faults);
    }

    [Fact]
    public async Task SecretsExample_IsWhatTheApiTakes()
    {
        var text = await File.ReadAllTextAsync(Repository.PathOf(Manifests.SecretsExample), TestContext.Current.CancellationToken);

        var (code, faults) = await Manifests.CheckTextAsync("kubernetes", text);

        Assert.True(code == 0, faults);
    }

    /// <summary>
    /// The kinds of faults that are easy to overlook, each in its own copy. All are checked in one run, because a run
    /// takes time.
    /// </summary>
    [Fact]
    public async Task EveryFault_IsFound()
    {
        (string Written, string Faulty, string Document, string Field)[] planted =
        [
            ("terminationGracePeriodSeconds: 90", "terminationGraceSeconds: 90", "Deployment gateway", "'\"terminationGraceSeconds\"' does not exist"),
            ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true", "Deployment gateway", "'\"readOnlyRootFileSystem\"' does not exist"),
            ("minReplicas: 3", "minReplicas: three", "HorizontalPodAutoscaler gateway", "minReplicas must be integer"),
            ("maxReplicas: 4", "maximumReplicas: 4", "HorizontalPodAutoscaler gateway", "must have required property maxReplicas"),
            ("containerPort: 8080", "hostIP: 127.0.0.1", "Deployment gateway", "must have required property containerPort"),
            ("memory: 768Mi", "memory: 768MB", "Deployment gateway", "must match format \"quantity\""),
            ("port: 53", "port: [53]", "NetworkPolicy gateway-dns", "port must be"),
            ("unhealthyPodEvictionPolicy", "unhealthyPodEviction", "PodDisruptionBudget gateway", "'\"unhealthyPodEviction\"' does not exist"),
            ("interval: 15s", "intervall: 15s", "ServiceMonitor gateway", "'\"intervall\"' does not exist"),
            ("restartPolicy: Never", "restartPolicy: Sometimes", "Job gateway-journal", "restartPolicy must be equal to one of"),
        ];
        var text = (await Manifests.RenderAsync("production")).Text;
        Assert.All(planted, fault => Assert.Contains(fault.Written, text));

        var (code, faults) = await Manifests.CheckTextAsync(
            "kubernetes", string.Join("\n---\n", planted.Select(fault => text.Replace(fault.Written, fault.Faulty))));

        Assert.Equal(1, code);
        Assert.All(planted, fault => Assert.Contains(
            faults.Split('\n'), line => line.StartsWith($"{fault.Document}: ", StringComparison.Ordinal) && line.Contains(fault.Field, StringComparison.Ordinal)));
    }
}
