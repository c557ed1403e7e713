using System.Globalization;
using System.Text.RegularExpressions;
using Gateway.Api.Configuration;

namespace Gateway.Api.Callers;

/// <summary>
/// Reads and validates the settings of the callers. Messages never show a setting's value, because it may be a key.
/// </summary>
internal sealed partial class CallerSettings(GatewayOptions options, List<string> faults)
{
    private const string Section = "Gateway__Callers";

    /// <summary>One request per minute.</summary>
    private const double LowestRate = 0.017;

    private const double HighestRate = 10_000;
    private const int HighestCount = 100_000;

    private static readonly string[] KeyNames = ["0", "1"];

    private readonly List<(byte[] Hash, Caller Caller)> _keys = [];

    /// <summary>The setting that contains each hash, by the hash.</summary>
    private readonly Dictionary<string, string> _settings = new(StringComparer.Ordinal);

    /// <summary>The callers of each issuer, by their subject.</summary>
    private readonly Dictionary<string, Dictionary<string, Caller>> _subjects = new(StringComparer.Ordinal);

    /// <param name="options">The settings.</param>
    /// <param name="faults">Receives a message for every fault.</param>
    public static CallerRegistry Read(GatewayOptions options, List<string> faults)
    {
        var settings = new CallerSettings(options, faults);
        foreach (var (name, caller) in options.Callers)
            settings.ReadCaller(name, caller);
        return new CallerRegistry(settings._keys)
        {
            Issuers = IssuerSettings.Read(options, settings._subjects, faults),
        };
    }

    private void ReadCaller(string name, CallerOptions caller)
    {
        if (!Name().IsMatch(name) || name.Equals(Caller.LoopbackName, StringComparison.OrdinalIgnoreCase))
        {
            faults.Add(
                $"{Section}__{name} can't be a caller: its name must be 1 to 63 of A-Z, a-z, 0-9, \".\", \"_\" and "
                + $"\"-\", and not \"{Caller.LoopbackName}\".");
        }
        var rights = ReadRights($"{Section}__{name}__Connections", caller.Connections);
        var known = new Caller(name, rights) { Limits = ReadLimits($"{Section}__{name}__", name, caller) };
        if (caller.Keys.Count == 0 && caller.Subjects.Count == 0)
        {
            faults.Add(
                $"{Section}__{name}__Keys__0 is not set, and neither is a subject; set one. The command `key new` "
                + "makes a key, and its hash for this setting. "
                + $"Or set {Section}__{name}__Subjects__ISSUER to the \"sub\" of the caller's tokens.");
        }
        ReadKeys($"{Section}__{name}__Keys", caller.Keys, known);
        ReadSubjects($"{Section}__{name}__Subjects", caller.Subjects, known);
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
                faults.Add($"{setting} names a connection that is not configured; there are {connections}.");
            }
            if (right is not ("read" or "write"))
                faults.Add($"{setting} must be read or write.");
            rights[connection] = right == "write" ? Access.ReadWrite : Access.ReadOnly;
        }
        return rights;
    }

    private CallerLimits? ReadLimits(string section, string name, CallerOptions caller)
    {
        double? rate = null;
        if (caller.RequestsPerSecond is { } setting)
        {
            if (double.TryParse(setting, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number is >= LowestRate and <= HighestRate)
                rate = number;
            else
                faults.Add($"{section}RequestsPerSecond must be a number from {LowestRate} to {HighestRate}.");
        }
        if (caller.Burst is not null && caller.RequestsPerSecond is null)
        {
            faults.Add(
                $"{section}Burst is set, but {section}RequestsPerSecond is not; set that too, or remove the burst.");
        }
        var burst = ReadCount($"{section}Burst", caller.Burst);
        var concurrency = ReadCount($"{section}Concurrency", caller.Concurrency);
        return rate is null && concurrency is null
            ? null
            : new CallerLimits(name, rate, burst ?? (int)Math.Ceiling(2 * (rate ?? 1)), concurrency);
    }

    private int? ReadCount(string setting, string? text)
    {
        if (text is null)
            return null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && count is >= 1 and <= HighestCount)
            return count;
        faults.Add($"{setting} must be a whole number from 1 to {HighestCount}.");
        return null;
    }

    private void ReadKeys(string section, Dictionary<string, string?> keys, Caller caller)
    {
        foreach (var (name, value) in keys)
        {
            var setting = $"{section}__{name}";
            if (!KeyNames.Contains(name))
            {
                faults.Add(
                    $"{setting} is not a setting: a caller has at most two keys, {string.Join(" and ", KeyNames)}.");
            }
            if (ApiKey.ReadHash(value) is not { } hash)
            {
                faults.Add(
                    $"{setting} must be the hash of a key, 64 hexadecimal digits; the command `key new` makes both.");
            }
            else if (!_settings.TryAdd(Convert.ToHexString(hash), setting))
            {
                faults.Add(
                    $"{setting} is the same key as {_settings[Convert.ToHexString(hash)]}; "
                    + "each is set once, for one caller.");
            }
            else
                _keys.Add((hash, caller));
        }
    }

    private void ReadSubjects(string section, Dictionary<string, string?> subjects, Caller caller)
    {
        foreach (var (issuer, subject) in subjects)
        {
            var setting = $"{section}__{issuer}";
            if (!options.Issuers.ContainsKey(issuer))
            {
                var issuers = string.Join(", ", options.Issuers.Keys);
                faults.Add($"{setting} names an issuer that is not configured; there are {issuers}.");
            }
            if (!_subjects.TryGetValue(issuer, out var callers))
                _subjects[issuer] = callers = new Dictionary<string, Caller>(StringComparer.Ordinal);
            if (string.IsNullOrWhiteSpace(subject))
                faults.Add($"{setting} is empty; set it to the exact \"sub\" of the caller's tokens.");
            else if (!callers.TryAdd(subject, caller))
            {
                faults.Add(
                    $"{setting} is the same subject as {Section}__{callers[subject].Name}__Subjects__{issuer}; "
                    + "each is set once, for one caller.");
            }
        }
    }

    [GeneratedRegex(@"^[A-Za-z0-9._-]{1,63}\z")]
    private static partial Regex Name();
}
