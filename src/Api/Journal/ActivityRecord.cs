using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Journal;

/// <summary>Represents the journal's record of an activity.</summary>
/// <param name="RequestHash">The hash of the recorded request.</param>
/// <param name="Answer">The answer's body; null if the caller's SQL ended the transaction of the claim.</param>
/// <param name="RecordedAt">When it was recorded.</param>
/// <param name="ExpiresAt">When it may be deleted.</param>
internal sealed record ActivityRecord(
    byte[] RequestHash, byte[]? Answer, DateTimeOffset RecordedAt, DateTimeOffset ExpiresAt)
{
    /// <summary>Gets the position of the server that has the record; null if the server has not said.</summary>
    public ServerPosition? Position { get; init; }

    /// <summary>Reads the row of <c>gateway_journal.recorded</c>. Returns null if there is no record.</summary>
    public static async Task<ActivityRecord?> ReadAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        await reader.ReadAsync(cancellation);
        return await reader.IsDBNullAsync(0, cancellation) ? null : new ActivityRecord(
            await reader.GetFieldValueAsync<byte[]>(0, cancellation),
            await reader.IsDBNullAsync(1, cancellation)
                ? null
                : await reader.GetFieldValueAsync<byte[]>(1, cancellation),
            await reader.GetFieldValueAsync<DateTimeOffset>(2, cancellation),
            await reader.GetFieldValueAsync<DateTimeOffset>(3, cancellation));
    }
}
