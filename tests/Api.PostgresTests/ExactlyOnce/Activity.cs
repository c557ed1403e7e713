using System.Text.Json;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>Represents a write of a workflow: the same request, byte for byte, each time that it is sent.</summary>
internal sealed record Activity(string Id, string Endpoint, byte[] Request)
{
    /// <summary>The default delivery, explicit so that a test can also use the other one.</summary>
    public const string ExactlyOnce = "exactly-once";

    public const string AtLeastOnce = "at-least-once";

    /// <summary>
    /// The timeout: much shorter than an engine's, and longer than the restart of a killed server or gateway.
    /// </summary>
    public const int BudgetMs = 10_000;

    /// <summary>Returns one statement.</summary>
    public static Activity Execute(
        string id, string sql, object? parameters = null, string delivery = ExactlyOnce, int timeoutMs = BudgetMs) =>
        new(id, "execute", JsonSerializer.SerializeToUtf8Bytes(new { activityId = id, sql, parameters, delivery, timeoutMs }));

    /// <summary>Returns one statement in a transaction with the given isolation level.</summary>
    public static Activity Transaction(string id, string isolation, string sql, object? parameters = null) =>
        new(id, "transaction", JsonSerializer.SerializeToUtf8Bytes(
            new { activityId = id, isolation, statements = new[] { new { sql, parameters } }, timeoutMs = BudgetMs }));
}
