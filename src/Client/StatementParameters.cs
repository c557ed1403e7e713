using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Gateway.Client;

/// <summary>Converts parameters to the form that a request needs.</summary>
public static class StatementParameters
{
    /// <summary>
    /// Returns the parameters as JSON. An array or a list becomes <c>$1…$n</c>; a dictionary's keys and an object's
    /// members become <c>:name</c>.
    /// </summary>
    /// <param name="parameters">
    /// <c>new object?[] { id, email }</c> or <c>new { id, email }</c>. The names of the members are as in C#; their
    /// values are written as in rows. The gateway refuses a list or an object for a parameter of type text: write
    /// <c>email = ANY(:list)</c>, not <c>email IN (:list)</c>.
    /// </param>
    /// <param name="json">
    /// The options for values: the client's <see cref="GatewayClientOptions.Json"/>, or their default.
    /// </param>
    /// <exception cref="ArgumentException">The parameters have another form.</exception>
    public static JsonElement From(object parameters, JsonSerializerOptions? json = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var options = json ?? RowJson.Shared;
        var type = options.GetTypeInfo(parameters.GetType());
        var element = type.Kind == JsonTypeInfoKind.Object
            ? WriteMembers(parameters, type, options)
            : JsonSerializer.SerializeToElement(parameters, type);
        // A string must not be read as a list of characters.
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
        member.AttributeProvider is MemberInfo own && !own.IsDefined(typeof(JsonPropertyNameAttribute))
            ? own.Name
            : member.Name;
}
