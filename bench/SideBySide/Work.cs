namespace Gateway.SideBySide;

/// <summary>Represents a kind of work that contestants do.</summary>
/// <param name="Name">The name in commands.</param>
/// <param name="Title">The title in the results.</param>
/// <param name="Statement">The statements that PostgreSQL runs, for the results.</param>
internal sealed record Work(string Name, string Title, string Statement)
{
    public static readonly Work PointSelect = new("point-select", "Point SELECT", $"`{Accounts.PointSelect}`");
    public static readonly Work Page = new("page", "A page of 1,000 rows", $"`{Accounts.PageSelect}`");
    public static readonly Work Update = new("update", "UPDATE … RETURNING", $"`{Accounts.Update}`");

    public static readonly Work Transaction = new(
        "transaction", "A transaction of three statements",
        $"`{Accounts.Update}`, then\n`{Accounts.SelectBalance}`, then\n`{Accounts.InsertHistory}`");

    public static readonly Work Replay = new(
        "replay", "A recorded answer, asked for again", $"`{Accounts.Update}`, once");
    public static readonly Work Stream = new("stream", "A million rows, streamed", $"`{Accounts.StreamSelect}`");
    public static readonly Work Start = new("start", "Start and rest", $"`{Accounts.PointSelect}`");

    public static IReadOnlyList<Work> All { get; } = [PointSelect, Page, Update, Transaction, Replay, Stream, Start];

    /// <summary>Gets whether contestants repeat it for a time, in turns.</summary>
    public bool IsLoad => this != Start;

    /// <summary>Returns the numbers of clients to measure with.</summary>
    public IReadOnlyList<int> Clients(IReadOnlyList<int> chosen) => this == Stream ? [1] : chosen;
}
