using System.ComponentModel;

namespace Gateway.Api.Configuration;

/// <summary>
/// Binds a section of the configuration to options. .NET's binder ignores a setting that it does not know, and drops a
/// whole dictionary entry when one value in it has the wrong type; here both are faults.
/// </summary>
internal static class OptionsBinder
{
    /// <summary>
    /// Binds a section. A setting with a fault keeps its default, so that the others can still be checked.
    /// </summary>
    /// <param name="section">The section.</param>
    /// <param name="faults">Receives a message for each unknown, misplaced or mistyped setting.</param>
    public static T Bind<T>(IConfigurationSection section, List<string> faults)
        where T : class, new()
    {
        var refused = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        Check(section, typeof(T), faults, refused);
        var accepted = section.AsEnumerable()
            .Where(setting => setting.Value is not null && !refused.Contains(setting.Key));
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(accepted).Build();
        return configuration.GetSection(section.Path).Get<T>() ?? new T();
    }

    private static void Check(IConfigurationSection section, Type type, List<string> faults, HashSet<string> refused)
    {
        if (KindOf(type) is { } kind)
        {
            CheckValue(section, type, kind, faults, refused);
            return;
        }

        if (section.Value is { Length: > 0 })
        {
            // The value is not shown: it may be meant for a setting below, a DSN for example.
            faults.Add($"{NameOf(section)} takes no value; its settings begin with {NameOf(section)}__.");
            refused.Add(section.Path);
        }
        // The operator chooses the keys of a dictionary and of an array.
        var each = type.IsGenericType ? type.GenericTypeArguments[1] : type.GetElementType();
        var known = each is null ? type.GetProperties() : [];
        foreach (var setting in section.GetChildren())
        {
            var found = each ?? known
                .FirstOrDefault(property => property.Name.Equals(setting.Key, StringComparison.OrdinalIgnoreCase))
                ?.PropertyType;
            if (found is null)
            {
                var names = string.Join(", ", known.Select(property => property.Name));
                faults.Add($"{NameOf(setting)} is not a setting; there are {names}.");
            }
            else
                Check(setting, found, faults, refused);
        }
    }

    private static void CheckValue(
        IConfigurationSection section, Type type, string kind, List<string> faults, HashSet<string> refused)
    {
        foreach (var below in section.GetChildren())
            faults.Add($"{NameOf(below)} is not a setting; {NameOf(section)} is.");
        // An empty value leaves an optional setting unset.
        if (section.Value is not { } value || (value.Length == 0 && Nullable.GetUnderlyingType(type) is not null)
            || IsValid(type, value))
            return;
        faults.Add($"{NameOf(section)} is \"{value}\": it must be {kind}.");
        refused.Add(section.Path);
    }

    // The converter of an enum would also take numbers, and names in their own case only.
    private static bool IsValid(Type type, string value) => type.IsEnum
        ? Enum.GetNames(type).Contains(value, StringComparer.OrdinalIgnoreCase)
        : TypeDescriptor.GetConverter(type).IsValid(value);

    /// <summary>Returns a description of the type's values; null for a type that has settings below it.</summary>
    private static string? KindOf(Type type)
    {
        var value = Nullable.GetUnderlyingType(type) ?? type;
        return value == typeof(string) ? "text"
            : value == typeof(bool) ? "true or false"
            : value == typeof(int) ? "a whole number"
            : value.IsEnum ? string.Join(" or ", Enum.GetNames(value)).ToLowerInvariant()
            : value.IsPrimitive ? $"a value of the type {value.Name}"
            : null;
    }

    private static string NameOf(IConfigurationSection section) => section.Path.Replace(":", "__");
}
