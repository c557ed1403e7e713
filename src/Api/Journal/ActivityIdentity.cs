using System.Security.Cryptography;
using System.Text;
using Gateway.Api.Postgres;

namespace Gateway.Api.Journal;

/// <summary>Which activity it is: the same ID of another caller, or on another connection, is another activity.</summary>
internal sealed record ActivityIdentity(string Caller, string Connection, string ActivityId)
{
    /// <summary>PostgreSQL's NAMEDATALEN less the terminator: what an <c>application_name</c> holds.</summary>
    private const int LongestTag = 63;

    private const int MarkBytes = 6;

    private const int CancelBytes = 16;

    /// <summary>A colon and hexadecimal digits.</summary>
    private const int MarkLength = 1 + (2 * MarkBytes);

    /// <summary>The <c>application_name</c> of a session that cancels the activity.</summary>
    public string CancelName => $"gateway cancels {Convert.ToHexStringLower(Digest.AsSpan(0, CancelBytes))}";

    private byte[] Digest => SHA256.HashData(Encoding.UTF8.GetBytes($"{Caller}\0{Connection}\0{ActivityId}"));

    /// <summary>
    /// The session's <c>application_name</c> while it runs the activity: the connection's own name, as much of the ID as has
    /// room, and a mark. Callers' SQL sees other sessions' names and can set its own, but only the gateway can make the mark of an
    /// activity for a session.
    /// </summary>
    /// <param name="applicationName">The connection's own name.</param>
    /// <param name="key">The key of the journal's codes; null where there is none, and then anybody can make the mark.</param>
    /// <param name="backend">The session.</param>
    public string TagFor(string applicationName, CodeKey? key, Backend backend)
    {
        var room = LongestTag - MarkLength - 1;
        var name = applicationName[..Math.Min(applicationName.Length, room / 2)];
        // PostgreSQL cuts it by bytes, and writes bytes that are not ASCII in one way or another.
        if (!Ascii.IsValid(name))
            name = string.Concat(name.Select(character => char.IsAscii(character) ? character : '?'));
        return $"{name}:{ActivityId[..Math.Min(ActivityId.Length, room - name.Length)]}{Mark(key, backend)}";
    }

    /// <summary>Whether a session's <c>application_name</c> is this activity's tag, in whatever replica.</summary>
    /// <param name="tag">The name.</param>
    /// <param name="keys">The keys that it may have been made with; none where there is no journal.</param>
    /// <param name="backend">The session.</param>
    public bool IsTaggedBy(string tag, IReadOnlyList<CodeKey> keys, Backend backend) =>
        keys.Count == 0
            ? tag.EndsWith(Mark(null, backend), StringComparison.Ordinal)
            : keys.Any(key => tag.EndsWith(Mark(key, backend), StringComparison.Ordinal));

    /// <summary>What the tag ends with, whatever the ID's length: no other activity's does, whatever its ID.</summary>
    private string Mark(CodeKey? key, Backend backend) =>
        $":{Convert.ToHexStringLower((key?.ForTag(backend, this) ?? Digest).AsSpan(0, MarkBytes))}";
}
