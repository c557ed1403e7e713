using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Api.Json;

namespace Gateway.Api.Journal;

/// <summary>
/// Identifies the content of a request. The journal stores it beside the answer; a later request with the same activity
/// ID must have an equal hash. It does not depend on the order of an object's members, on whitespace or escapes, or on
/// whether a default is written out. The digits of a number count, because PostgreSQL gets them.
/// </summary>
/// <remarks>
/// The format is fixed by docs/compatibility.md and by golden vectors in RequestHashTests, because records outlive the
/// gateway's version. A hash is one byte for its version and the SHA-256 of the request in <see cref="Canonical"/>
/// form.
/// </remarks>
internal sealed class RequestHash
{
    /// <summary>The version of the hashes that this gateway stores.</summary>
    private const byte Version = 2;

    // For the hash of version 1, which only a request that meets a record of an earlier gateway needs.
    private readonly string _operationOfVersion1;
    private readonly byte[] _body;

    private RequestHash(byte[] bytes, string operationOfVersion1, byte[] body) =>
        (Bytes, _operationOfVersion1, _body) = (bytes, operationOfVersion1, body);

    /// <summary>Gets the 33 bytes to store.</summary>
    public byte[] Bytes { get; }

    /// <summary>
    /// Returns whether a stored hash, of this version or an earlier one, belongs to the same request.
    /// </summary>
    public bool Matches(ReadOnlySpan<byte> stored) => stored.Length == RequestHashVersion1.Length
        ? stored.SequenceEqual(RequestHashVersion1.Of(_operationOfVersion1, _body))
        : stored.SequenceEqual(Bytes);

    /// <summary>Computes the hash of a request.</summary>
    /// <param name="operation">The operation's tag. It is stored, so it never changes.</param>
    /// <param name="operationOfVersion1">The operation's tag in hashes of version 1.</param>
    /// <param name="body">The body of a valid request.</param>
    /// <param name="fields">How each field counts; a field without a rule is included.</param>
    public static RequestHash Of(
        string operation, string operationOfVersion1, JsonElement body, IReadOnlyDictionary<string, FieldHash> fields)
    {
        using var canonical = new PooledBuffer(int.MaxValue);
        var form = new Canonical(canonical);
        form.WriteString(operation);
        form.WriteFields(body, fields);
        var hash = new byte[1 + SHA256.HashSizeInBytes];
        hash[0] = Version;
        SHA256.HashData(canonical.Written.Span, hash.AsSpan(1));
        return new RequestHash(hash, operationOfVersion1, JsonMarshal.GetRawUtf8Value(body).ToArray());
    }

    /// <summary>
    /// Writes values so that equal ones have equal bytes: a letter for the kind, then the content. A text begins with
    /// its length in bytes (four bytes, big-endian), and an object or an array ends with <c>e</c>, so two different
    /// values never have equal bytes.
    /// </summary>
    private readonly struct Canonical(PooledBuffer output)
    {
        public void WriteFields(JsonElement body, IReadOnlyDictionary<string, FieldHash> fields)
        {
            output.Write((byte)'o');
            foreach (var (name, value) in Sorted(body))
            {
                var rule = fields.GetValueOrDefault(name, FieldHash.Included);
                if (!rule.Includes(value))
                    continue;
                WriteString(name);
                if (rule.Elements is { } elements)
                    WriteElements(value, elements);
                else
                    WriteValue(value);
            }
            output.Write((byte)'e');
        }

        public void WriteString(string text) => WriteText((byte)'s', Encoding.UTF8.GetBytes(text));

        private void WriteElements(JsonElement array, IReadOnlyDictionary<string, FieldHash> fields)
        {
            output.Write((byte)'a');
            foreach (var element in array.EnumerateArray())
                WriteFields(element, fields);
            output.Write((byte)'e');
        }

        private void WriteValue(JsonElement value)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    output.Write((byte)'o');
                    foreach (var (name, member) in Sorted(value))
                    {
                        WriteString(name);
                        WriteValue(member);
                    }
                    output.Write((byte)'e');
                    break;
                case JsonValueKind.Array:
                    output.Write((byte)'a');
                    foreach (var element in value.EnumerateArray())
                        WriteValue(element);
                    output.Write((byte)'e');
                    break;
                case JsonValueKind.String when JsonText.TryRead(value, out var text, out _):
                    WriteString(text);
                    break;
                case JsonValueKind.String:
                    // The string has a lone surrogate or a NUL, which only a json parameter may have.
                    WriteText((byte)'r', JsonMarshal.GetRawUtf8Value(value));
                    break;
                case JsonValueKind.Number:
                    WriteText((byte)'n', JsonMarshal.GetRawUtf8Value(value));
                    break;
                case JsonValueKind.True:
                    output.Write((byte)'t');
                    break;
                case JsonValueKind.False:
                    output.Write((byte)'f');
                    break;
                default:
                    output.Write((byte)'z');
                    break;
            }
        }

        private void WriteText(byte kind, ReadOnlySpan<byte> text)
        {
            Span<byte> head = stackalloc byte[5];
            head[0] = kind;
            BinaryPrimitives.WriteInt32BigEndian(head[1..], text.Length);
            output.Write(head);
            output.Write(text);
        }

        /// <summary>
        /// Sorts members by name. Members with equal names, which a value may have, keep their order.
        /// </summary>
        private static IEnumerable<(string Name, JsonElement Value)> Sorted(JsonElement fields) => fields
            .EnumerateObject()
            .Select(member => (Name: NameOf(member), member.Value))
            .OrderBy(member => member.Name, StringComparer.Ordinal);

        /// <summary>Decodes a member's name; returns it as it was written when it has a lone surrogate.</summary>
        private static string NameOf(JsonProperty member) => JsonText.TryReadName(member, out var name)
            ? name
            : Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8PropertyName(member));
    }
}
