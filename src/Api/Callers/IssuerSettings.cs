using Gateway.Api.Configuration;

namespace Gateway.Api.Callers;

/// <summary>Reads and validates the settings of the token issuers.</summary>
internal sealed class IssuerSettings(List<string> faults)
{
    private const string Section = "Gateway__Issuers";

    /// <summary>
    /// The maximum interval between reads of a key file: a mount may change at any time, and reading is cheap.
    /// </summary>
    private static readonly TimeSpan LongestFilePeriod = TimeSpan.FromSeconds(5);

    /// <summary>The setting of each issuer, by its <c>iss</c>.</summary>
    private readonly Dictionary<string, string> _ids = new(StringComparer.Ordinal);

    /// <param name="options">The settings.</param>
    /// <param name="subjects">The callers of each issuer, by the issuer's name and the caller's subject.</param>
    /// <param name="faults">Receives a message for every fault.</param>
    public static IReadOnlyList<Issuer> Read(
        GatewayOptions options, IReadOnlyDictionary<string, Dictionary<string, Caller>> subjects, List<string> faults)
    {
        var settings = new IssuerSettings(faults);
        return
        [
            .. options.Issuers.Select(issuer => settings.Read(issuer.Key, issuer.Value, subjects)).OfType<Issuer>(),
        ];
    }

    private Issuer? Read(
        string name, IssuerOptions issuer, IReadOnlyDictionary<string, Dictionary<string, Caller>> subjects)
    {
        var setting = $"{Section}__{name}";
        var before = faults.Count;
        OptionsValidation.Check(issuer, $"{setting}__", faults);
        if (string.IsNullOrWhiteSpace(issuer.Issuer))
            faults.Add($"{setting}__Issuer is not set; set it to the exact \"iss\" of the issuer's tokens.");
        else if (!_ids.TryAdd(issuer.Issuer, setting))
            faults.Add($"{setting}__Issuer is the same as {_ids[issuer.Issuer]}__Issuer; each is set once.");
        if (string.IsNullOrWhiteSpace(issuer.Audience))
            faults.Add($"{setting}__Audience is not set; set it to the exact \"aud\" of tokens for the gateway.");
        foreach (var (index, algorithm) in issuer.Algorithms.Index())
        {
            if (!SigningAlgorithm.IsKnown(algorithm))
                faults.Add($"{setting}__Algorithms__{index} must be one of {string.Join(", ", SigningAlgorithm.All)}.");
        }
        if (!subjects.TryGetValue(name, out var callers))
        {
            faults.Add(
                $"{setting} has no caller; set Gateway__Callers__NAME__Subjects__{name} to the \"sub\" of a caller's "
                + "tokens.");
        }
        var source = ReadSource($"{setting}__Jwks", issuer);

        return faults.Count > before
            ? null
            : new Issuer(
                setting, name, issuer.Issuer!, issuer.Audience!,
                issuer.Algorithms is [] ? [SigningAlgorithm.Default] : issuer.Algorithms,
                TimeSpan.FromSeconds(issuer.ClockSkewSeconds), source!, callers!);
    }

    private KeySource? ReadSource(string setting, IssuerOptions issuer)
    {
        var period = TimeSpan.FromSeconds(issuer.RefreshSeconds);
        if (string.IsNullOrWhiteSpace(issuer.Jwks))
        {
            faults.Add(
                $"{setting} is not set; set it to the https URL of the issuer's keys, or to the path of a file that "
                + "has them.");
        }
        else if (Path.IsPathRooted(issuer.Jwks))
            return new KeyFile(issuer.Jwks, period < LongestFilePeriod ? period : LongestFilePeriod);
        else if (Uri.TryCreate(issuer.Jwks, UriKind.Absolute, out var url) && IsSafe(url))
            return new KeyUrl(url, period);
        else
        {
            faults.Add(
                $"{setting} must be an https URL (http on a loopback address only) without user or password, or the "
                + "full path of a file.");
        }
        return null;
    }

    /// <summary>
    /// Returns whether the keys can't be changed in transit. Anyone who can change them can pose as any caller.
    /// </summary>
    private static bool IsSafe(Uri url) => url.UserInfo.Length == 0
        && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback));
}
