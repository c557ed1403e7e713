using System.Text.Json;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>A write of a workflow: the same request, byte for byte, however often it is sent.</summary>
internal sealed record Activity(string Id, string Endpoint, byte[] Request)
{
    /// <summary>The default, spelt out so that a test can also ask for less.</summary>
    public const string ExactlyOnce = "exactly-once";

    public const string AtLeastOnce = "at-least-once";

    /// <summary>Well below what an engine waits, and above what a killed server or gateway takes to be back.</summary>
    private const int BudgetMs = 10_000;

    /// <summary>One statement.</summary>
    public static Activity Execute(
        string id, string sql, object? parameters = null, string delivery = ExactlyOnce, int timeoutMs = BudgetMs) =>
        new(id, "execute", JsonSerializer.SerializeToUtf8Bytes(new { activityId = id, sql, parameters, delivery, timeoutMs }));

    /// <summary>One statement in a transaction of that isolation.</summary>
    public static Activity Transaction(string id, string isolation, string sql, object? parameters = null) =>
        new(id, "transaction", JsonSerializer.SerializeToUtf8Bytes(
            new { activityId = id, isolation, statements = new[] { new { sql, parameters } }, timeoutMs = BudgetMs }));
}
