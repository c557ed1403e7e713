using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Gateway.Client;

/// <summary>Parameters of a statement as a request has them.</summary>
public static class StatementParameters
{
    /// <summary>An array or a list becomes <c>$1…$n</c>; a dictionary's keys and an object's members become <c>:name</c>.</summary>
    /// <param name="parameters">
    /// <c>new object?[] { id, email }</c> or <c>new { id, email }</c>. The members' own names count, as they are written in C#; of a
    /// member's value they are as in rows. A list or an object for a parameter of text is refused by the gateway: write
    /// <c>email = ANY(:list)</c>, not <c>email IN (:list)</c>.
    /// </param>
    /// <param name="json">How values are written: the client's <see cref="GatewayClientOptions.Json"/>, or what it is by default.</param>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public static JsonElement From(object parameters, JsonSerializerOptions? json = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var options = json ?? RowJson.Shared;
        var type = options.GetTypeInfo(parameters.GetType());
        var element = type.Kind == JsonTypeInfoKind.Object
            ? WriteMembers(parameters, type, options)
            : JsonSerializer.SerializeToElement(parameters, type);
        // A string would be a list of characters to some.
        return element.ValueKind is JsonValueKind.Array or JsonValueKind.Object
            ? element
            : throw new ArgumentException(
                $"A {parameters.GetType().Name} is no parameters: pass an array for $1…$n, or an object for :name.",
                nameof(parameters));
    }

    private static JsonElement WriteMembers(object parameters, JsonTypeInfo type, JsonSerializerOptions options)
    {
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text))
        {
            writer.WriteStartObject();
            foreach (var member in type.Properties.Where(member => member.Get is not null))
            {
                writer.WritePropertyName(NameOf(member));
                JsonSerializer.Serialize(writer, member.Get!(parameters), options.GetTypeInfo(member.PropertyType));
            }
            writer.WriteEndObject();
        }
        return JsonElement.Parse(text.GetBuffer().AsSpan(0, (int)text.Length));
    }

    private static string NameOf(JsonPropertyInfo member) =>
        member.AttributeProvider is MemberInfo own && !own.IsDefined(typeof(JsonPropertyNameAttribute)) ? own.Name : member.Name;
}
