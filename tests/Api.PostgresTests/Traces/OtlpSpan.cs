using System.Buffers.Binary;
using System.Text;

namespace Gateway.Api.PostgresTests.Traces;

/// <summary>Represents a span, read from OTLP's protobuf.</summary>
public sealed record OtlpSpan(
    string TraceId, string SpanId, string ParentId, string TraceState, string Name, long Kind, long Status, string StatusMessage,
    IReadOnlyDictionary<string, string> Attributes, IReadOnlyList<string> Events, IReadOnlyDictionary<string, string> Resource)
{
    public const long Server = 2;
    public const long Client = 3;
    public const long Error = 2;

    /// <summary>Reads all spans of an ExportTraceServiceRequest.</summary>
    public static IEnumerable<OtlpSpan> Read(byte[] request) =>
        from resourceSpans in Field.Of(request, 1)
        let resource = Field.Of(resourceSpans.Bytes, 1).SelectMany(resource => Pairs(resource.Bytes, 1)).ToDictionary()
        from scopeSpans in Field.Of(resourceSpans.Bytes, 2)
        from span in Field.Of(scopeSpans.Bytes, 2)
        select ReadSpan(span.Bytes, resource);

    private static OtlpSpan ReadSpan(byte[] span, Dictionary<string, string> resource)
    {
        var status = Field.Of(span, 15).Select(status => status.Bytes).SingleOrDefault([]);
        return new OtlpSpan(
            Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 3), Text(span, 5), Number(span, 6), Number(status, 3), Text(status, 2),
            Pairs(span, 9).ToDictionary(), Field.Of(span, 11).Select(@event => Text(@event.Bytes, 2)).ToArray(), resource);
    }

    private static IEnumerable<KeyValuePair<string, string>> Pairs(byte[] message, int field) =>
        Field.Of(message, field).Select(pair => KeyValuePair.Create(Text(pair.Bytes, 1), Value(Field.Of(pair.Bytes, 2).Single().Bytes)));

    /// <summary>Returns a string, a Boolean or an integer; the gateway's attributes have no other types.</summary>
    private static string Value(byte[] value)
    {
        var field = Field.All(value).Single();
        return field.Number switch
        {
            1 => Encoding.UTF8.GetString(field.Bytes),
            2 => field.Value == 0 ? "false" : "true",
            3 => field.Value.ToString(),
            _ => throw new FormatException($"An attribute's value is of kind {field.Number}."),
        };
    }

    private static string Hex(byte[] message, int field) => Convert.ToHexStringLower(Field.Of(message, field).Select(hex => hex.Bytes).SingleOrDefault([]));

    private static string Text(byte[] message, int field) => Encoding.UTF8.GetString(Field.Of(message, field).Select(text => text.Bytes).SingleOrDefault([]));

    private static long Number(byte[] message, int field) => Field.Of(message, field).Select(number => number.Value).SingleOrDefault();

    /// <summary>Represents a field of any message.</summary>
    private sealed record Field(int Number, long Value, byte[] Bytes)
    {
        public static IEnumerable<Field> Of(byte[] message, int number) => All(message).Where(field => field.Number == number);

        public static IEnumerable<Field> All(byte[] message)
        {
            for (var at = 0; at < message.Length;)
            {
                var tag = Varint(message, ref at);
                var (value, bytes) = (0L, Array.Empty<byte>());
                switch (tag & 7)
                {
                    case 0:
                        value = Varint(message, ref at);
                        break;
                    case 1:
                        value = BinaryPrimitives.ReadInt64LittleEndian(message.AsSpan(at));
                        at += sizeof(long);
                        break;
                    case 2:
                        var length = (int)Varint(message, ref at);
                        bytes = message[at..(at + length)];
                        at += length;
                        break;
                    case 5:
                        value = BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(at));
                        at += sizeof(int);
                        break;
                    default:
                        throw new FormatException($"No field begins with {tag}.");
                }
                yield return new Field((int)(tag >> 3), value, bytes);
            }
        }

        private static long Varint(byte[] message, ref int at)
        {
            var value = 0L;
            for (var shift = 0; ; shift += 7)
            {
                var part = message[at++];
                value |= (long)(part & 0x7F) << shift;
                if (part < 0x80)
                    return value;
            }
        }
    }
}
