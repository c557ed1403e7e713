using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Api.Json;

namespace Gateway.Api.Journal;

/// <summary>
/// Computes request hashes of version 1, which earlier gateways stored: SHA-256 of the request as canonical JSON. The
/// gateway compares them and no longer stores them, so nothing here may change. Remove it when no record of version 1
/// can be left (docs/compatibility.md).
/// </summary>
internal static class RequestHashVersion1
{
    /// <summary>The length of a hash, in bytes.</summary>
    public const int Length = SHA256.HashSizeInBytes;

    /// <summary>Fields that change neither the effect nor the answer.</summary>
    private static readonly HashSet<string> LeftOut =
        new(["activityId", "attempt", "connection", "delivery", "timeoutMs"], StringComparer.Ordinal);

    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = int.MaxValue };

    /// <summary>Fields that count unless they have their default.</summary>
    private static readonly Dictionary<string, Func<JsonElement, bool>> Defaults = new(StringComparer.Ordinal)
    {
        ["deferrable"] = value => value.ValueKind == JsonValueKind.False,
        ["isolation"] = value => JsonText.Is(value, "read committed"),
        ["numbers"] = value => JsonText.Is(value, "exact"),
        ["parameters"] = IsEmpty,
        ["parameterTypes"] = IsEmpty,
        ["readOnly"] = value => value.ValueKind == JsonValueKind.False,
        ["rowFormat"] = value => JsonText.Is(value, "object"),
    };

    /// <param name="operation">The operation's name in version 1.</param>
    /// <param name="body">The body of a valid request, as JSON.</param>
    public static byte[] Of(string operation, ReadOnlyMemory<byte> body)
    {
        using var request = JsonDocument.Parse(body, AnyDepth);
        using var canonical = new PooledBuffer(int.MaxValue);
        using (var json = new Utf8JsonWriter(canonical, JsonString.WriterOptions))
        {
            json.WriteStartArray();
            json.WriteStringValue(operation);
            WriteRequest(json, request.RootElement);
            json.WriteEndArray();
        }
        return SHA256.HashData(canonical.Written.Span);
    }

    /// <summary>Writes the fields of a request, or of one of its statements.</summary>
    private static void WriteRequest(Utf8JsonWriter json, JsonElement fields)
    {
        json.WriteStartObject();
        foreach (var (name, value) in Sorted(fields))
        {
            if (LeftOut.Contains(name) || IsDefault(name, value))
                continue;
            json.WritePropertyName(name);
            // In the body of /sql any member may have that name, because other members are ignored there.
            if (name != "statements" || value.ValueKind != JsonValueKind.Array
                || value.EnumerateArray().Any(statement => statement.ValueKind != JsonValueKind.Object))
            {
                Write(json, value);
                continue;
            }
            json.WriteStartArray();
            foreach (var statement in value.EnumerateArray())
                WriteRequest(json, statement);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private static bool IsEmpty(JsonElement value) => value.ValueKind == JsonValueKind.Object
        ? value.GetPropertyCount() == 0
        : value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0;

    private static bool IsDefault(string name, JsonElement value) => value.ValueKind == JsonValueKind.Null
        || (Defaults.TryGetValue(name, out var isDefault) && isDefault(value));

    private static void Write(Utf8JsonWriter json, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var (name, member) in Sorted(value))
                {
                    json.WritePropertyName(name);
                    Write(json, member);
                }
                json.WriteEndObject();
                break;
            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var element in value.EnumerateArray())
                    Write(json, element);
                json.WriteEndArray();
                break;
            case JsonValueKind.String when JsonText.TryRead(value, out var text, out _):
                // Written decoded, so that an escape and its character are equal.
                json.WriteStringValue(text);
                break;
            default:
                json.WriteRawValue(value.GetRawText(), skipInputValidation: true);
                break;
        }
    }

    /// <summary>Sorts members by name. Members with equal names, which a value may have, keep their order.</summary>
    private static IEnumerable<(string Name, JsonElement Value)> Sorted(JsonElement fields) =>
        fields.EnumerateObject().Select(member => (NameOf(member), member.Value))
            .OrderBy(member => member.Item1, StringComparer.Ordinal);

    /// <summary>
    /// Decodes a member's name. Returns it as it was written if it is not valid Unicode, which only PostgreSQL may
    /// refuse.
    /// </summary>
    private static string NameOf(JsonProperty member) => JsonText.TryReadName(member, out var name)
        ? name
        : Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8PropertyName(member));
}
