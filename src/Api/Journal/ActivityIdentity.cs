using System.Security.Cryptography;
using System.Text;
using Gateway.Api.Postgres;

namespace Gateway.Api.Journal;

/// <summary>
/// Identifies an activity. The same ID of another caller, or on another connection, is another activity.
/// </summary>
internal sealed record ActivityIdentity(string Caller, string Connection, string ActivityId)
{
    /// <summary>
    /// The maximum length of an <c>application_name</c>: PostgreSQL's NAMEDATALEN without the terminator.
    /// </summary>
    private const int LongestTag = 63;

    private const int MarkBytes = 6;

    private const int CancelBytes = 16;

    /// <summary>A colon and hexadecimal digits.</summary>
    private const int MarkLength = 1 + (2 * MarkBytes);

    /// <summary>The beginning of the <c>application_name</c> of each session that cancels an activity.</summary>
    public const string CancelPrefix = "gateway cancels ";

    /// <summary>The characters of a tag for the connection's own name and the ID.</summary>
    private const int Room = LongestTag - MarkLength - 1;

    private const int LongestName = Room / 2;

    /// <summary>A tag has at least this much of the ID, unless the ID is shorter.</summary>
    private const int ShortestIdPart = Room - LongestName;

    /// <summary>Gets the <c>application_name</c> of a session that cancels the activity.</summary>
    public string CancelName => $"{CancelPrefix}{Convert.ToHexStringLower(Digest.AsSpan(0, CancelBytes))}";

    private byte[] Digest => SHA256.HashData(Encoding.UTF8.GetBytes($"{Caller}\0{Connection}\0{ActivityId}"));

    /// <summary>
    /// Returns the <c>application_name</c> of a session that runs the activity: the connection's own name, as much of
    /// the ID as fits, and a mark. Callers' SQL can see other sessions' names and set its own, but only the gateway can
    /// make an activity's mark for a session.
    /// </summary>
    /// <param name="applicationName">The connection's own name.</param>
    /// <param name="key">The key of the journal's codes. Null if there is none; then anyone can make the mark.</param>
    /// <param name="backend">The session.</param>
    public string TagFor(string applicationName, CodeKey? key, Backend backend)
    {
        var name = applicationName[..Math.Min(applicationName.Length, LongestName)];
        // PostgreSQL cuts the name by bytes, and its versions write non-ASCII bytes differently.
        if (!Ascii.IsValid(name))
            name = string.Concat(name.Select(character => char.IsAscii(character) ? character : '?'));
        return $"{name}:{ActivityId[..Math.Min(ActivityId.Length, Room - name.Length)]}{Mark(key, backend)}";
    }

    /// <summary>
    /// Returns whether a session's <c>application_name</c> is this activity's tag, made by any replica.
    /// </summary>
    /// <param name="tag">The name.</param>
    /// <param name="keys">The keys that may have made it; none if there is no journal.</param>
    /// <param name="backend">The session.</param>
    public bool IsTaggedBy(string tag, IReadOnlyList<CodeKey> keys, Backend backend)
    {
        // Most tags are of other IDs, and comparing the ID is cheaper than computing a mark.
        if (!tag.Contains(ActivityId[..Math.Min(ActivityId.Length, ShortestIdPart)], StringComparison.Ordinal))
            return false;
        return keys.Count == 0
            ? tag.EndsWith(Mark(null, backend), StringComparison.Ordinal)
            : keys.Any(key => tag.EndsWith(Mark(key, backend), StringComparison.Ordinal));
    }

    /// <summary>
    /// Returns the end of the tag, which does not depend on the ID's length. No other activity has the same.
    /// </summary>
    private string Mark(CodeKey? key, Backend backend) =>
        $":{Convert.ToHexStringLower((key?.ForTag(backend, this) ?? Digest).AsSpan(0, MarkBytes))}";
}
