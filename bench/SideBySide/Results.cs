namespace Gateway.SideBySide;

/// <summary>Contains the samples of all contestants, and the failures of peers.</summary>
/// <param name="rounds">The number of rounds.</param>
internal sealed class Results(int rounds)
{
    /// <summary>The maximum length of a failure's message in the results.</summary>
    private const int MessageLength = 200;

    private readonly Dictionary<Seat, Sample?[]> _samples = [];
    private readonly List<(string Name, string Where, Seat? Seat, int Round, string Message)> _failures = [];

    /// <summary>Gets the rounds of a contestant: null for a round that failed; empty if all rounds failed.</summary>
    public IReadOnlyList<Sample?> this[Seat seat] => _samples.GetValueOrDefault(seat, []);

    public IReadOnlyList<StartSample> Starts { get; set; } = [];

    public IReadOnlyList<AllocationSample> Allocations { get; set; } = [];

    public void Add(Seat seat, int round, Sample sample)
    {
        if (!_samples.TryGetValue(seat, out var samples))
            _samples.Add(seat, samples = new Sample?[rounds]);
        samples[round - 1] = sample;
    }

    /// <summary>Records the failure of a peer in a round.</summary>
    public void AddFailure(Seat seat, int round, Exception error) => AddFailure(
        seat.Contestant, $"{Work.Of(seat.Work).Name}, clients: {seat.Clients}", error, seat, round);

    /// <summary>Records the failure of a peer before the first round.</summary>
    /// <param name="name">The contestant's name, or the peer's.</param>
    /// <param name="where">The work, or the step, that failed.</param>
    /// <param name="error">The error.</param>
    public void AddFailure(string name, string where, Exception error) => AddFailure(name, where, error, null, 0);

    /// <summary>Returns the number of failed rounds.</summary>
    public int CountFailures(Seat seat) => _failures.Count(failure => failure.Seat == seat);

    /// <summary>Returns a list of the failures, for the results; empty if there is none.</summary>
    public string DescribeFailures() => _failures.Count == 0
        ? ""
        : "Failures of peers. A round that failed was repeated once; it is left out because it failed again.\n\n"
            + string.Concat(_failures.GroupBy(failure => (failure.Name, failure.Where, failure.Seat)).Select(group =>
                $"- `{group.Key.Name}`, {group.Key.Where}: left out of {Rounds(group.Key.Seat, group.Select(
                    failure => failure.Round))}. {group.Last().Message}\n")) + "\n";

    private string Rounds(Seat? seat, IEnumerable<int> failed) => seat is null || this[seat].Count == 0
        ? "all rounds"
        : $"round {string.Join(", ", failed)} of {rounds}";

    private void AddFailure(string name, string where, Exception error, Seat? seat, int round)
    {
        var message = error.Message.ReplaceLineEndings(" ").Trim();
        Console.Error.WriteLine($"{name} failed in {where}: {message}");
        _failures.Add((name, where, seat, round, message[..Math.Min(message.Length, MessageLength)]));
    }
}
