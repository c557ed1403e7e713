using System.Text.Json;

namespace Gateway.Api.Journal;

/// <summary>Says how a field of a request counts in the request's hash.</summary>
internal sealed class FieldHash
{
    /// <summary>Excludes the field: it changes neither the effect nor the answer.</summary>
    public static readonly FieldHash Excluded = new();

    /// <summary>Includes the field.</summary>
    public static readonly FieldHash Included = new();

    /// <summary>Includes an array of objects, whose own fields are hashed by <see cref="Elements"/>.</summary>
    public static FieldHash IncludedByElement(IReadOnlyDictionary<string, FieldHash> elements) =>
        new() { Elements = elements };

    /// <summary>Includes the field unless it has its default, so a default is hashed like an absent field.</summary>
    public static FieldHash IncludedUnless(Func<JsonElement, bool> isDefault) => new() { IsDefault = isDefault };

    /// <summary>Gets the rules for the fields of each element; null if the value has no such rules.</summary>
    public IReadOnlyDictionary<string, FieldHash>? Elements { get; private init; }

    private Func<JsonElement, bool>? IsDefault { get; init; }

    /// <summary>Returns whether a value counts in the hash. Null counts like an absent field.</summary>
    public bool Includes(JsonElement value) =>
        this != Excluded && value.ValueKind != JsonValueKind.Null && IsDefault?.Invoke(value) is not true;
}
