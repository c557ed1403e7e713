using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Journal;

/// <summary>
/// What a transaction tells of the request, for as long as it is open: <c>application_name</c> to whoever looks at the server, and
/// <c>gateway.caller</c> and <c>gateway.activity_id</c> to policies and triggers. They are set anew in each transaction, behind BEGIN and
/// before any statement of the caller's, so that nothing an earlier request has left can stand in for them.
/// </summary>
/// <param name="activity">Which activity it is.</param>
/// <param name="connectionName">The connection's own <c>application_name</c>.</param>
/// <param name="key">The key of the journal's codes; null where there is none.</param>
/// <param name="backend">The session that it runs in.</param>
/// <remarks>Where the activity is claimed, the journal's <c>claim</c> sets them.</remarks>
internal sealed class ActivityTag(ActivityIdentity activity, string connectionName, CodeKey? key, Backend backend)
{
    private const string CallerSetting = "gateway.caller";
    private const string ActivitySetting = "gateway.activity_id";

    public ActivityIdentity Activity => activity;

    /// <summary>The session's <c>application_name</c>.</summary>
    public string ApplicationName { get; } = activity.TagFor(connectionName, key, backend);

    /// <summary>Sets them by statements without a result, the cheaper way: each costs the server less than half of what SELECT does.</summary>
    public NpgsqlBatchCommand[] Set() =>
    [
        SetLocal("application_name", ApplicationName), SetLocal(CallerSetting, activity.Caller),
        SetLocal(ActivitySetting, activity.ActivityId),
    ];

    /// <summary>
    /// Sets them by a statement that takes a snapshot: behind one, no statement of several can make the transaction one that writes.
    /// </summary>
    public NpgsqlBatchCommand Select() => new(
        $"""
        SELECT pg_catalog.set_config('application_name', $1, true), pg_catalog.set_config('{CallerSetting}', $2, true),
               pg_catalog.set_config('{ActivitySetting}', $3, true)
        """)
    {
        Parameters = { Text(ApplicationName), Text(activity.Caller), Text(activity.ActivityId) },
    };

    /// <summary>SET takes no parameters. Every session has standard_conforming_strings on, so that a backslash is one.</summary>
    private static NpgsqlBatchCommand SetLocal(string setting, string value) =>
        new($"SET LOCAL {setting} TO '{value.Replace("'", "''", StringComparison.Ordinal)}'");

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };
}
