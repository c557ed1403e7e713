namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// The number of tries in the tests of exactly-once. Plain <c>dotnet test</c> runs few; <c>EXACTLY_ONCE=full</c> in the
/// environment runs as many as the promise states, which takes about a quarter of an hour.
/// </summary>
internal static class Scale
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("EXACTLY_ONCE") == "full";

    public static int GatewayKills => Full ? 200 : 5;

    /// <summary>
    /// The maximum number of kills without the journal. One doubled effect is enough, and it is usually among the
    /// first.
    /// </summary>
    public static int GatewayKillsUnrecorded => 20;

    public static int ServerKills => Full ? 10 : 2;

    public static int ServerPauses => Full ? 10 : 1;

    public static int CommitAnswersDropped => Full ? 500 : 25;

    public static int CommitsOvertaken => Full ? 100 : 10;

    /// <summary>The number of activities, each sent <see cref="DuplicateTests.Duplicates"/> times at once.</summary>
    public static int DuplicatedActivities => Full ? 200 : 10;

    /// <summary>The number of tries for each boundary, and each way for a gateway to end.</summary>
    public static int EndsAtBoundary => Full ? 25 : 1;

    /// <summary>Returns a new seed for each run, and prints it so that the run can be repeated.</summary>
    public static int Seed(ITestOutputHelper output)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        return seed;
    }
}
