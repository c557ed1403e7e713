namespace Gateway.SideBySide;

internal enum WorkKind
{
    PointSelect,
    Page,
    Update,
    Transaction,
    Replay,
    Stream,
    Callers,
    Start,
}

/// <summary>Represents a kind of work that contestants do.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Name">The name in commands.</param>
/// <param name="Title">The title in the results.</param>
/// <param name="Statement">The statements that PostgreSQL runs, for the results.</param>
internal sealed record Work(WorkKind Kind, string Name, string Title, string Statement)
{
    /// <summary>The number of callers, of their clients, and of the clients of the one caller.</summary>
    public const int Callers = 64;

    /// <summary>Gets all works, in the order of the results.</summary>
    public static IReadOnlyList<Work> All { get; } =
    [
        new(WorkKind.PointSelect, "point-select", "Point SELECT", $"`{Accounts.PointSelect}`")
        {
            DefaultClients = [1, 4, Wrk.Clients, 64, 256],
        },
        new(WorkKind.Page, "page", "A page of 1,000 rows", $"`{Accounts.PageSelect}`"),
        new(WorkKind.Update, "update", "UPDATE … RETURNING", $"`{Accounts.Update}`") { Effect = new Effect(1, 0) },
        new(
            WorkKind.Transaction, "transaction", "A transaction of three statements",
            $"`{Accounts.Update}`, then\n`{Accounts.SelectBalance}`, then\n`{Accounts.InsertHistory}`")
        {
            Effect = new Effect(1, 1),
        },
        new(WorkKind.Replay, "replay", "Replay", $"`{Accounts.Update}`")
        {
            Effect = new Effect(1, 0),
        },
        new(WorkKind.Stream, "stream", "A million rows, streamed", $"`{Accounts.StreamSelect}`")
        {
            DefaultClients = [1],
            HasFixedClients = true,
        },
        new(WorkKind.Callers, "callers", "Many callers", $"`{Accounts.PointSelect}`")
        {
            DefaultClients = [Callers],
            HasFixedClients = true,
        },
        new(WorkKind.Start, "start", "Start, memory at rest, allocations", $"`{Accounts.PointSelect}`"),
    ];

    /// <summary>Gets the effect of a right answer.</summary>
    public Effect Effect { get; private init; }

    /// <summary>Gets whether contestants do it for a time, in turns.</summary>
    public bool IsLoad => Kind != WorkKind.Start;

    private IReadOnlyList<int> DefaultClients { get; init; } = [Wrk.Clients];

    private bool HasFixedClients { get; init; }

    public static Work Of(WorkKind kind) => All.Single(work => work.Kind == kind);

    /// <summary>Returns the numbers of clients to measure with.</summary>
    /// <param name="chosen">The numbers that the command names; null for the default.</param>
    public IReadOnlyList<int> Clients(IReadOnlyList<int>? chosen) =>
        HasFixedClients || chosen is null ? DefaultClients : chosen;
}

/// <summary>Identifies the loads on a contestant in a work with a number of clients.</summary>
internal sealed record Seat(WorkKind Work, int Clients, string Contestant);
