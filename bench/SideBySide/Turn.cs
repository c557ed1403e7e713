namespace Gateway.SideBySide;

/// <summary>One turn of a contestant.</summary>
/// <param name="Sample">Of its load.</param>
/// <param name="PeakMemory">The most that it had of the machine's memory, in MiB; NaN where that can't be seen.</param>
internal sealed record Turn(Sample Sample, double PeakMemory)
{
    public static IReadOnlyList<Figure<Turn>> Figures { get; } =
    [
        .. Sample.Figures("own CPU, µs").Select(figure => new Figure<Turn>(figure.Name, figure.Format, turn => figure.Of(turn.Sample))),
        PeakMemoryFigure,
    ];

    /// <summary>Where what is asked for are rows.</summary>
    public static IReadOnlyList<Figure<Turn>> StreamFigures { get; } =
    [
        new("rows/s", "0", turn => turn.Sample.Rate),
        new("own CPU, µs", "0.00", turn => turn.Sample.OwnTime),
        new("PostgreSQL's CPU, µs", "0.00", turn => turn.Sample.PostgresTime),
        PeakMemoryFigure,
    ];

    private static Figure<Turn> PeakMemoryFigure => new("peak memory, MiB", "0", turn => turn.PeakMemory);
}

/// <summary>Whose turn it was.</summary>
internal sealed record Seat(Work Work, int Clients, string Contestant);
