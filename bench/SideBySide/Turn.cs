namespace Gateway.SideBySide;

/// <summary>Represents the result of one turn of a contestant.</summary>
/// <param name="Sample">The sample of its load.</param>
/// <param name="PeakMemory">Its peak resident memory in MiB; NaN if that can't be read.</param>
internal sealed record Turn(Sample Sample, double PeakMemory)
{
    public static IReadOnlyList<Figure<Turn>> Figures { get; } =
    [
        .. Sample.Figures("own CPU, µs").Select(figure =>
            new Figure<Turn>(figure.Name, figure.Format, turn => figure.Of(turn.Sample))),
        PeakMemoryFigure,
    ];

    /// <summary>Gets the figures of a stream, which are for each row instead of each request.</summary>
    public static IReadOnlyList<Figure<Turn>> StreamFigures { get; } =
    [
        new("rows/s", "0", turn => turn.Sample.Rate),
        new("own CPU, µs", "0.00", turn => turn.Sample.OwnTime),
        new("PostgreSQL's CPU, µs", "0.00", turn => turn.Sample.PostgresTime),
        PeakMemoryFigure,
    ];

    private static Figure<Turn> PeakMemoryFigure => new("peak memory, MiB", "0", turn => turn.PeakMemory);
}

/// <summary>Identifies the turns of a contestant in a work with a number of clients.</summary>
internal sealed record Seat(Work Work, int Clients, string Contestant);
