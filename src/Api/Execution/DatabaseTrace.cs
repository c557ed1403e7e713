using System.Collections.Frozen;
using System.Diagnostics;
using System.Text;
using Gateway.Api.Connections;
using Gateway.Api.Dsns;
using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Api.Telemetry;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>
/// Spans of the requests to PostgreSQL, by OpenTelemetry's conventions for databases. They never have a parameter, or a
/// message, which may quote one. They have the SQL only if a setting says so.
/// </summary>
internal static class DatabaseTrace
{
    /// <summary>Maximum length of a span's SQL, in characters; the rest is cut off.</summary>
    public const int LongestSql = 4096;

    /// <summary>The words that a span may show. Any other first word of a statement is a caller's text.</summary>
    private static readonly FrozenSet<string> Operations = FrozenSet.Create(
        StringComparer.Ordinal,
        "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE", "CALL", "DO", "EXPLAIN", "SHOW",
        "SET", "RESET", "CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE", "COMMENT", "REFRESH", "LOCK",
        "ANALYZE", "EXECUTE", "PREPARE",
        "DEALLOCATE", "DECLARE", "FETCH", "MOVE", "CLOSE", "NOTIFY", "LISTEN", "UNLISTEN");

    /// <summary>Traces one run of a call.</summary>
    public static Task<RunOutcome> RunAsync(
        ActivityCall call, NamedConnection connection, bool withSql, int run, Func<Task<RunOutcome>> work) =>
        RunAsync(connection, OperationOf(call), work, outcome => outcome.Error, span =>
        {
            span.SetTag("gateway.run", run);
            if (call.Statements.Count > 1)
                span.SetTag("db.operation.batch.size", call.Statements.Count);
            if (withSql)
                span.SetTag("db.query.text", SqlOf(call));
        });

    /// <summary>Traces a request of the gateway's own.</summary>
    public static Task<T> RunAsync<T>(NamedConnection connection, Func<Task<T>> work) =>
        RunAsync(connection, null, work, _ => null, _ => { });

    /// <summary>Adds the server that the run came to, if the DSN names several.</summary>
    public static void Reach(NamedConnection connection, Session session)
    {
        if (connection.Server is null && RequestTrace.Recorded(Activity.Current) is { Kind: ActivityKind.Client } span)
            SetServer(span, session.Server);
    }

    private static async Task<T> RunAsync<T>(
        NamedConnection connection, string? operation, Func<Task<T>> work, Func<T, Exception?> errorOf,
        Action<Activity> describe)
    {
        var name = operation is null ? connection.Database : $"{operation} {connection.Database}";
        using var span = RequestTrace.Source.StartActivity(name, ActivityKind.Client);
        if (span is { IsAllDataRequested: true })
        {
            span.SetTag("db.system.name", "postgresql").SetTag("db.namespace", connection.Database)
                .SetTag("db.operation.name", operation).SetTag("gateway.connection", connection.Name);
            SetServer(span, connection.Server);
            describe(span);
        }
        try
        {
            var result = await work();
            if (errorOf(result) is { } error)
                Fail(span, error);
            return result;
        }
        catch (Exception error)
        {
            Fail(span, error);
            throw;
        }
    }

    private static void Fail(Activity? span, Exception error)
    {
        var sqlState = SqlStateOf(error);
        var name = error is Failure failure ? FailureForm.NameOf(failure.Code) : error.GetType().FullName;
        span?.SetTag("db.response.status_code", sqlState)
            .SetTag("error.type", sqlState ?? name)
            .SetStatus(ActivityStatusCode.Error);
    }

    private static void SetServer(Activity span, DsnHost? server) =>
        span.SetTag("server.address", server?.Name).SetTag("server.port", server?.Port);

    private static string? OperationOf(ActivityCall call)
    {
        var words = call.Statements.Select(statement => statement.Statement.Sql.FirstWord()).Distinct().ToArray();
        var same = words is [var word] && Operations.Contains(word) ? word : null;
        return call.Statements.Count == 1 ? same : same is null ? "BATCH" : $"BATCH {same}";
    }

    private static string SqlOf(ActivityCall call)
    {
        var sql = new StringBuilder();
        foreach (var statement in call.Statements)
        {
            if (sql.Length > LongestSql)
                break;
            sql.Append(sql.Length > 0 ? ";\n" : "").Append(statement.Statement.Sql.Text);
        }
        if (sql.Length <= LongestSql)
            return sql.ToString();
        // Not between the two halves of a surrogate pair.
        return sql.ToString(0, char.IsHighSurrogate(sql[LongestSql - 1]) ? LongestSql - 1 : LongestSql);
    }

    private static string? SqlStateOf(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            if (cause is PostgresException refusal)
                return refusal.SqlState;
        }
        return null;
    }
}
