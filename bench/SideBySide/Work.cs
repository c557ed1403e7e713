namespace Gateway.SideBySide;

/// <summary>One kind of thing that is asked for.</summary>
/// <param name="Name">In commands.</param>
/// <param name="Title">For people.</param>
/// <param name="Statement">What PostgreSQL runs, for people.</param>
internal sealed record Work(string Name, string Title, string Statement)
{
    public static readonly Work PointSelect = new("point-select", "Point SELECT", $"`{Accounts.PointSelect}`");
    public static readonly Work Page = new("page", "A page of 1,000 rows", $"`{Accounts.PageSelect}`");
    public static readonly Work Update = new("update", "UPDATE … RETURNING", $"`{Accounts.Update}`");

    public static readonly Work Transaction = new(
        "transaction", "A transaction of three statements",
        $"`{Accounts.Update}`, then\n`{Accounts.SelectBalance}`, then\n`{Accounts.InsertHistory}`");

    public static readonly Work Replay = new("replay", "A recorded answer, asked for again", $"`{Accounts.Update}`, once");
    public static readonly Work Stream = new("stream", "A million rows, streamed", $"`{Accounts.StreamSelect}`");
    public static readonly Work Start = new("start", "Start and rest", $"`{Accounts.PointSelect}`");

    public static IReadOnlyList<Work> All { get; } = [PointSelect, Page, Update, Transaction, Replay, Stream, Start];

    /// <summary>Whether it is done again and again for a time, by contestants in turns.</summary>
    public bool IsLoad => this != Start;

    /// <summary>How many ask at a time, in one turn and another.</summary>
    public IReadOnlyList<int> Clients(IReadOnlyList<int> chosen) => this == Stream ? [1] : chosen;
}
