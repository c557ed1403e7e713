using System.Buffers;
using Npgsql;

namespace Gateway.Api.Dsns;

/// <summary>
/// Reads a DSN in one of three forms: a <c>postgresql://</c> URI or keyword/value pairs, both as libpq reads them, or
/// Npgsql's own <c>Key=Value;…</c>. A setting is honoured or refused by name, never ignored.
/// </summary>
internal static class Dsn
{
    private const string Forms =
        "write postgresql://user:password@host:5432/dbname, host=… user=… password=… dbname=…, "
        + "or Host=…;Username=…;Password=…;Database=…";

    /// <summary>
    /// Returns the settings of a DSN for Npgsql. Host, Username and Database are always set, every host has a port, and
    /// TCP ports are 1 to 65535. With several hosts, Host is <c>a:1,b:2</c>: build a multi-host data source.
    /// </summary>
    /// <exception cref="DsnException">The DSN can't be read, or contains a setting that can't be honoured.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string dsn) => Parse(dsn, Environment.GetEnvironmentVariable);

    /// <summary>
    /// Same as <see cref="Parse(string)"/>, with a given environment, of which it reads PGUSER and PGSSLROOTCERT.
    /// </summary>
    internal static NpgsqlConnectionStringBuilder Parse(string dsn, Func<string, string?> environment)
    {
        // A secret mounted as a file usually ends in a line break, which is never a part of the database's name.
        dsn = dsn.TrimStart().TrimEnd('\r', '\n');

        var faults = new List<string>();
        var builder = new NpgsqlConnectionStringBuilder();
        if (dsn.Trim().Length == 0)
            faults.Add($"The DSN is empty; {Forms}.");
        else if (dsn.Contains('\0', StringComparison.Ordinal))
            faults.Add("The DSN contains a NUL character, which PostgreSQL can't take; remove it.");
        else if (DsnUri.Matches(dsn))
            DsnLibpq.Fill(builder, DsnUri.Read(dsn, faults), environment, faults, DsnUri.MaySplitPassword(dsn));
        else if (ForeignScheme(dsn) is { } scheme)
            faults.Add($"The scheme \"{scheme}\" is not PostgreSQL's; write postgresql:// in its place.");
        else if (IsNpgsqlForm(dsn))
            DsnNpgsql.Fill(builder, dsn, environment, faults);
        else
            DsnLibpq.Fill(builder, DsnKeywords.Read(dsn).OrFaults(faults, Forms), environment, faults);

        return faults.Count == 0 ? builder : throw new DsnException(faults);
    }

    /// <summary>Returns <c>host:port/database as user</c>, without secrets, for messages and logs.</summary>
    public static string Describe(NpgsqlConnectionStringBuilder builder)
    {
        var hosts = DsnHosts.FromNpgsql(builder.Host ?? DsnHosts.Default, builder.Port, []);
        return $"{string.Join(',', hosts)}/{builder.Database ?? builder.Username} as {builder.Username}";
    }

    // How the form of a DSN that is not a URI is decided. Both grammars read the text:
    // 1. If only one of them can read it completely (it can be split, every key is known, and its host contains no
    //    separator or quote), that grammar is right.
    // 2. Otherwise the first separator decides: a space before a second key is libpq's, a semicolon is Npgsql's.
    //    If the separator is inside text that the other grammar reads as a quoted value, the other grammar is right.
    // 3. Without any separator it is libpq's; a single `host=localhost` means the same in both.
    // libpq's keys are lower case, so `Host=x` and `Server=x` are Npgsql's by rule 1. The rules also decide correctly
    // for `password='a;b' host=x`, `Host=x; Application Name=my app` and `password=a;b host=x`. Only a value like
    // `password=a;port=1 host=x` stays ambiguous: the semicolon decides, unless the value is quoted.
    private static bool IsNpgsqlForm(string dsn)
    {
        var libpq = DsnKeywords.Read(dsn);
        var npgsql = DsnNpgsql.Read(dsn);
        var libpqWhole = IsWhole(libpq, DsnLibpq.Knows, key => key == "host");
        var npgsqlWhole = IsWhole(npgsql, DsnNpgsql.Knows, DsnNpgsql.IsHost);
        if (libpqWhole != npgsqlWhole)
            return npgsqlWhole;

        if (npgsql.Separator is not { } semicolon)
            return false;
        return libpq.Separator is { } space && space < semicolon
            ? npgsql.Quotes(space)
            : !libpq.Quotes(semicolon);
    }

    private static bool IsWhole(DsnReading reading, Func<string, bool> knows, Func<string, bool> isHost) =>
        reading.Fault is null
        && reading.Settings.All(setting => knows(setting.Key)
            && !(isHost(setting.Key) && setting.Value.AsSpan().ContainsAny(SeparatorsAndQuotes)));

    private static readonly SearchValues<char> SeparatorsAndQuotes = SearchValues.Create(" \t\r\n;='\"");

    // For jdbc:postgresql://, postgresql+psycopg2:// or mysql://, naming the scheme helps more than reporting a word
    // without "=".
    private static string? ForeignScheme(string dsn)
    {
        var end = dsn.IndexOf("://", StringComparison.Ordinal);
        return end is > 0 and <= 32 && dsn.AsSpan(0, end).IndexOfAnyExcept(SchemeCharacters) < 0 ? dsn[..end] : null;
    }

    private static readonly SearchValues<char> SchemeCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.:");
}
