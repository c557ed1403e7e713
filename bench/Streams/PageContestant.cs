namespace Gateway.Streams;

/// <summary>One that answers with pages.</summary>
/// <param name="Name">For people; its load has the same.</param>
/// <param name="Server">Where its processor time is spent.</param>
internal sealed record PageContestant(string Name, ServerProcess Server)
{
    public const string Bare = "bare";
    public const string Gateway = "gateway";

    /// <summary>The first is what the others are compared with.</summary>
    public static IReadOnlyList<PageContestant> All(ServerProcess bare, ServerProcess gateway) =>
        [new(Bare, bare), new(Gateway, gateway)];

    public async Task<Sample> MeasureAsync(LoadProcess load, TimeSpan duration, int postmaster)
    {
        var own = Server.ProcessorSeconds;
        var postgres = ProcessorTime.OfTree(postmaster);
        var result = await load.RunAsync(Server.Port, Name, duration);
        return Sample.Of(result, Server.ProcessorSeconds - own, ProcessorTime.OfTree(postmaster) - postgres);
    }
}
