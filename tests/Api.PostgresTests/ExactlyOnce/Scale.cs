namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// How often the tests of exactly-once try. Plain <c>dotnet test</c> runs their quick form; <c>EXACTLY_ONCE=full</c> in
/// the environment makes them as large as the promise is stated, which takes about a quarter of an hour.
/// </summary>
internal static class Scale
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("EXACTLY_ONCE") == "full";

    public static int GatewayKills => Full ? 200 : 8;

    /// <summary>Without the journal, at most: one that doubles an effect is enough, and is most often among the first.</summary>
    public static int GatewayKillsUnrecorded => 20;

    public static int ServerKills => Full ? 10 : 2;

    public static int CommitAnswersDropped => Full ? 500 : 25;

    public static int CommitsOvertaken => Full ? 100 : 10;

    /// <summary>Activities, each sent <see cref="DuplicateTests.Duplicates"/> times at once.</summary>
    public static int DuplicatedActivities => Full ? 200 : 10;

    /// <summary>For each boundary, and each way for a gateway to end.</summary>
    public static int EndsAtBoundary => Full ? 25 : 1;

    /// <summary>A seed of its own for each run, printed so that the run can be had again.</summary>
    public static int Seed(ITestOutputHelper output)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        return seed;
    }
}
