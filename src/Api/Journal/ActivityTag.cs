using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Journal;

/// <summary>
/// Sets a transaction's tags while it is open: <c>application_name</c> for people who inspect the server, and
/// <c>gateway.caller</c> and <c>gateway.activity_id</c> for policies and triggers. They are set again in each
/// transaction, after BEGIN and before any statement of the caller, so that no value of an earlier request can replace
/// them.
/// </summary>
/// <param name="activity">The activity.</param>
/// <param name="connectionName">The connection's own <c>application_name</c>.</param>
/// <param name="key">The key of the journal's codes; null if there is none.</param>
/// <param name="backend">The session.</param>
/// <remarks>If the activity is claimed, the journal's <c>claim</c> sets the tags.</remarks>
internal sealed class ActivityTag(ActivityIdentity activity, string connectionName, CodeKey? key, Backend backend)
{
    private const string CallerSetting = "gateway.caller";
    private const string ActivitySetting = "gateway.activity_id";

    public ActivityIdentity Activity => activity;

    /// <summary>Gets the session's <c>application_name</c>.</summary>
    public string ApplicationName { get; } = activity.TagFor(connectionName, key, backend);

    /// <summary>
    /// Returns statements without a result that set the tags of a transaction that writes. They are cheaper than a
    /// SELECT that is not prepared: each costs the server less than half of it.
    /// </summary>
    public NpgsqlBatchCommand[] Set() =>
    [
        SetLocal("application_name", ApplicationName), SetLocal(CallerSetting, activity.Caller),
        SetLocal(ActivitySetting, activity.ActivityId),
    ];

    /// <summary>
    /// Returns a query that sets the tags of a transaction that reads, and takes a snapshot. It can be prepared. After
    /// a snapshot, no statement can change a read-only transaction to one that writes.
    /// </summary>
    public NpgsqlBatchCommand Select() => new(
        $"""
        SELECT pg_catalog.set_config('application_name', $1, true), pg_catalog.set_config('{CallerSetting}', $2, true),
               pg_catalog.set_config('{ActivitySetting}', $3, true)
        """)
    {
        Parameters = { Text(ApplicationName), Text(activity.Caller), Text(activity.ActivityId) },
    };

    /// <summary>
    /// SET takes no parameters. Every session has standard_conforming_strings on, so a backslash needs no escape.
    /// </summary>
    private static NpgsqlBatchCommand SetLocal(string setting, string value) =>
        new($"SET LOCAL {setting} TO '{value.Replace("'", "''", StringComparison.Ordinal)}'");

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };
}
