namespace Gateway.Streams;

/// <summary>Represents a contestant that answers with pages.</summary>
/// <param name="Name">The name in the results, and of its load.</param>
/// <param name="Server">The process whose CPU time counts.</param>
internal sealed record PageContestant(string Name, ServerProcess Server)
{
    public const string Bare = "bare";
    public const string Gateway = "gateway";

    /// <summary>Returns all contestants. The others are compared with the first.</summary>
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
