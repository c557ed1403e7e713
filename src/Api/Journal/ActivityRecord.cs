using Npgsql;

namespace Gateway.Api.Journal;

/// <summary>What the journal holds of an activity.</summary>
/// <param name="RequestHash">Of the request that was recorded.</param>
/// <param name="Answer">Its answer's body; null where the claiming transaction was ended from within.</param>
/// <param name="RecordedAt">When.</param>
/// <param name="ExpiresAt">From when on it may be deleted.</param>
internal sealed record ActivityRecord(byte[] RequestHash, byte[]? Answer, DateTimeOffset RecordedAt, DateTimeOffset ExpiresAt)
{
    /// <summary>Reads the one row of <c>gateway_journal.recorded</c>; null where there is no record.</summary>
    public static async Task<ActivityRecord?> ReadAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        await reader.ReadAsync(cancellation);
        return await reader.IsDBNullAsync(0, cancellation) ? null : new ActivityRecord(
            await reader.GetFieldValueAsync<byte[]>(0, cancellation),
            await reader.IsDBNullAsync(1, cancellation) ? null : await reader.GetFieldValueAsync<byte[]>(1, cancellation),
            await reader.GetFieldValueAsync<DateTimeOffset>(2, cancellation),
            await reader.GetFieldValueAsync<DateTimeOffset>(3, cancellation));
    }
}
