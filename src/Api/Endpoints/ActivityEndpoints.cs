using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Journal;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.AspNetCore.Http.Features;
using Npgsql;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Endpoints that return an activity's status, and cancel it. Any replica serves them, whichever replica runs the
/// activity.
/// </summary>
internal static class ActivityEndpoints
{
    private const string Prefix = "/v1/activities/";

    public static void MapActivities(this IEndpointRouteBuilder routes)
    {
        // They take no place: a caller whose places are all in use must be able to find and cancel what runs in them.
        var activities = routes.MapGroup(Prefix).RequireCaller(takesPlace: false).WithTags("Activities");
        activities.MapGet("/{activityId}", FindAsync).WithName("findActivity")
            .WithSummary("Get an activity's status")
            .WithDescription(
                "Returns `completed` with the recorded answer, or `running` while the transaction is open. 404 means "
                + "neither: the activity has not arrived, waits for a session, has failed, or its record has expired.")
            .Produces<ActivityResponse>();
        activities.MapPost("/{activityId}/cancel", CancelAsync).WithName("cancelActivity")
            .WithSummary("Cancel a running activity")
            .WithDescription(
                "Ends the activity's running statement, on whichever replica it runs, and waits for that. Returns "
                + "`cancelled` if it had no effect, or `completed` if the cancel came too late. The cancelled request "
                + "gets 422 `cancelled`, which engines don't retry. If it is sent again, the activity runs again.")
            .Produces<ActivityResponse>();
    }

    private static Task FindAsync(
        HttpContext http, string activityId, ConnectionRegistry connections, GatewayOptions options, TimeProvider clock,
        string connection = GatewayOptions.DefaultConnection) =>
        AnswerAsync(
            http, activityId, connections, connection, options, clock, Access.ReadOnly, to => to.LookUps,
            (activities, of, ending) => activities.FindAsync(of, ending));

    private static Task CancelAsync(
        HttpContext http, string activityId, ConnectionRegistry connections, GatewayOptions options, TimeProvider clock,
        string connection = GatewayOptions.DefaultConnection) =>
        AnswerAsync(
            http, activityId, connections, connection, options, clock, Access.ReadWrite, to => to.Cancels,
            (activities, of, ending) => activities.CancelAsync(of, ending));

    private static async Task AnswerAsync(
        HttpContext http, string activityId, ConnectionRegistry connections, string connectionName,
        GatewayOptions options, TimeProvider clock, Access access, Func<NamedConnection, ConnectionQueue> queueOf,
        Func<Activities, ActivityIdentity, CancellationToken, Task<ActivityState?>> ask)
    {
        var record = RequestRecord.Of(http);
        var id = ReadId(http, activityId);
        record.ActivityId = id;
        var caller = record.Caller!;
        caller.Require(connectionName, access);
        var connection = connections.Find(connectionName);
        record.Connection = connection.Name;

        var budget = TimeSpan.FromMilliseconds(options.DefaultTimeoutMs);
        using var deadline = new Deadline(budget, record.Elapsed, clock, http.RequestAborted);
        record.Enter(Stage.Queue);
        using var place = await queueOf(connection).EnterAsync(caller.Name, deadline);
        record.Enter(Stage.Execute);
        var identity = new ActivityIdentity(caller.Name, connection.Name, id);
        var state = await DatabaseTrace.RunAsync(connection, () => AskAsync(
            connection, ending => ask(connection.Activities, identity, ending), budget, deadline, clock));
        if (state is null)
        {
            throw new Failure(
                ProblemCode.ActivityNotFound,
                $"Connection \"{connection.Name}\" has no running or recorded activity of this caller with that ID.");
        }

        // An effect that a failover could lose is not reported.
        if (state.Status == ActivityStatus.Completed && connection.Standbys is { } standbys)
            await standbys.ConfirmAsync(state.Position, isExactlyOnce: true, deadline.Token);

        record.Memory.TooLarge = ProblemCode.ResultTooLarge;
        using var body = Write(id, state, record.Memory);
        await StatementEndpoints.SendAsync(http, body.Written, record);
    }

    private static async Task<ActivityState?> AskAsync(
        NamedConnection connection, Func<CancellationToken, Task<ActivityState?>> ask, TimeSpan budget,
        Deadline deadline, TimeProvider clock)
    {
        ActivityState? state = null;
        try
        {
            await BoundedWait.RunAsync(async ending => state = await ask(ending), budget, clock, deadline.Token);
            return state;
        }
        catch (NpgsqlException error)
        {
            throw PostgresFailure.Unreachable(error, connection.Name);
        }
        catch (Exception error) when (error is TimeoutException || deadline.Token.IsCancellationRequested)
        {
            throw deadline.Ended($"asking the server of connection \"{connection.Name}\"", error);
        }
    }

    /// <summary>
    /// Returns the ID as it was sent, read from the request line. In the route's value the server has decoded
    /// everything except slashes, so an encoded slash can't be distinguished from the three characters <c>%2F</c>.
    /// </summary>
    private static string ReadId(HttpContext http, string routed)
    {
        var path = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?')[0];
        var start = path.IndexOf(Prefix, StringComparison.OrdinalIgnoreCase);
        var id = start < 0 ? routed : Uri.UnescapeDataString(path[(start + Prefix.Length)..].Split('/')[0]);
        return ActivityId.IsValid(id)
            ? id
            : throw Failure.Invalid(
                [new RequestFault("", $"The activity's ID in the path is {ActivityId.Rule}, percent-encoded.")]);
    }

    private static PooledBuffer Write(string id, ActivityState state, MemoryReservation memory)
    {
        // The recorded answer is in memory, and is copied into this body.
        memory.Take(state.Answer?.Length ?? 0);
        var body = new PooledBuffer(int.MaxValue, memory: memory);
        using var json = new Utf8JsonWriter(body, JsonString.WriterOptions);
        json.WriteStartObject();
        json.WriteString("activityId"u8, id);
        json.WriteString("status"u8, JsonNamingPolicy.SnakeCaseLower.ConvertName(state.Status.ToString()));
        if (state.Answer is { } answer)
        {
            json.WritePropertyName("response"u8);
            // Byte for byte, as it was first sent.
            json.WriteRawValue(answer, skipInputValidation: true);
        }
        WriteTime(json, "recordedAt", state.RecordedAt);
        WriteTime(json, "expiresAt", state.ExpiresAt);
        WriteTime(json, "runningSince", state.RunningSince);
        if (state.Waiting is { } waiting)
            json.WriteNumber("waiting"u8, waiting);
        json.WriteEndObject();
        return body;
    }

    private static void WriteTime(Utf8JsonWriter json, string name, DateTimeOffset? time)
    {
        if (time is { } at)
            json.WriteString(name, at);
    }
}
