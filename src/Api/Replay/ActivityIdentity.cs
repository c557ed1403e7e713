using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Api.Replay;

/// <summary>Which activity it is: the same ID of another caller, or on another connection, is another activity.</summary>
internal sealed record ActivityIdentity(string Caller, string Connection, string ActivityId)
{
    /// <summary>PostgreSQL's NAMEDATALEN less the terminator: what an <c>application_name</c> holds.</summary>
    private const int LongestTag = 63;

    private const int MarkBytes = 6;

    /// <summary>A colon and hexadecimal digits.</summary>
    public const int MarkLength = 1 + (2 * MarkBytes);

    private readonly byte[] _digest = SHA256.HashData(Encoding.UTF8.GetBytes($"{Caller}\0{Connection}\0{ActivityId}"));

    /// <summary>
    /// What the tag ends with, whatever the ID's length: no other activity's does, whatever its ID.
    /// </summary>
    public string Mark => $":{Convert.ToHexStringLower(_digest.AsSpan(0, MarkBytes))}";

    /// <summary>The advisory lock that a cancel is announced by.</summary>
    public long CancelKey => BinaryPrimitives.ReadInt64LittleEndian(_digest.AsSpan(MarkBytes));

    /// <summary>
    /// The session's <c>application_name</c> while it runs the activity: the connection's own name, as much of the ID as has
    /// room, and the mark.
    /// </summary>
    public string TagFor(string applicationName)
    {
        var room = LongestTag - MarkLength - 1;
        var name = applicationName[..Math.Min(applicationName.Length, room / 2)];
        // PostgreSQL cuts it by bytes, and writes bytes that are not ASCII in one way or another.
        if (!Ascii.IsValid(name))
            name = string.Concat(name.Select(character => char.IsAscii(character) ? character : '?'));
        return $"{name}:{ActivityId[..Math.Min(ActivityId.Length, room - name.Length)]}{Mark}";
    }
}
