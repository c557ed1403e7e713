using System.Text.RegularExpressions;
using Gateway.Api.Connections;
using Gateway.Api.Execution;

namespace Gateway.Api.Admission;

/// <summary>
/// The callers' settings, read and checked with the others. No fault shows a setting's value: it may be a key.
/// </summary>
internal sealed partial class CallerSettings(GatewayOptions options, List<string> faults)
{
    private const string Section = "Gateway__Callers";

    private static readonly string[] KeyNames = ["0", "1"];

    private readonly List<(byte[] Hash, Caller Caller)> _keys = [];

    /// <summary>Which setting has a hash.</summary>
    private readonly Dictionary<string, string> _settings = new(StringComparer.Ordinal);

    /// <param name="options">The settings.</param>
    /// <param name="faults">Gets what is wrong, all of it.</param>
    public static Callers Read(GatewayOptions options, List<string> faults)
    {
        var settings = new CallerSettings(options, faults);
        foreach (var (name, caller) in options.Callers)
            settings.ReadCaller(name, caller);
        return new Callers(settings._keys);
    }

    private void ReadCaller(string name, CallerOptions caller)
    {
        if (!Name().IsMatch(name) || name.Equals(Caller.LoopbackName, StringComparison.OrdinalIgnoreCase))
        {
            faults.Add(
                $"{Section}__{name} can't be a caller: its name is 1 to 63 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\", "
                + $"and not \"{Caller.LoopbackName}\".");
        }
        var rights = ReadRights($"{Section}__{name}__Connections", caller.Connections);
        ReadKeys($"{Section}__{name}__Keys", caller.Keys, new Caller(name, rights));
    }

    private Dictionary<string, Access> ReadRights(string section, Dictionary<string, string?> granted)
    {
        var rights = new Dictionary<string, Access>(StringComparer.Ordinal);
        foreach (var (connection, right) in granted)
        {
            var setting = $"{section}__{connection}";
            if (!options.Connections.ContainsKey(connection))
            {
                var connections = string.Join(", ", options.Connections.Keys);
                faults.Add($"{setting} is about a connection that is not configured; there are {connections}.");
            }
            if (right is not ("read" or "write"))
                faults.Add($"{setting} is neither read nor write.");
            rights[connection] = right == "write" ? Access.ReadWrite : Access.ReadOnly;
        }
        return rights;
    }

    private void ReadKeys(string section, Dictionary<string, string?> keys, Caller caller)
    {
        if (keys.Count == 0)
            faults.Add($"{section}__0 is not set: a caller needs a key; the command `key new` makes one, and its hash for here.");
        foreach (var (name, value) in keys)
        {
            var setting = $"{section}__{name}";
            if (!KeyNames.Contains(name))
                faults.Add($"{setting} is not a setting: a caller has at most two keys, {string.Join(" and ", KeyNames)}.");
            if (ApiKey.ReadHash(value) is not { } hash)
                faults.Add($"{setting} is not the hash of a key, 64 hexadecimal digits; the command `key new` makes both.");
            else if (!_settings.TryAdd(Convert.ToHexString(hash), setting))
                faults.Add($"{setting} is the same key as {_settings[Convert.ToHexString(hash)]}; each is set once, for one caller.");
            else
                _keys.Add((hash, caller));
        }
    }

    [GeneratedRegex(@"^[A-Za-z0-9._-]{1,63}\z")]
    private static partial Regex Name();
}
