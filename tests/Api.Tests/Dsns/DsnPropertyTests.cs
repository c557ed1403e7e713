using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Api.Dsns;
using Npgsql;

namespace Gateway.Api.Tests.Dsns;

public sealed class DsnPropertyTests
{
    public sealed record Login(string User, string Password, string Database, int Order);

    // Single characters of every kind, and texts that the grammars could mistake for settings.
    private static readonly Gen<string> Piece = Gen.Frequency(
        (6, Gen.Choose(' ', '~').Select(c => ((char)c).ToString())),
        (6, Gen.Elements("'", "\"", "\\", ";", "=", "@", ":", "/", "?", "#", "%", "&", "+", "[", "]", ",", " ", "\t", "\n")),
        (2, Gen.Choose(0xA0, 0xD7FF).Select(c => ((char)c).ToString())),
        (1, Gen.Choose(0x10000, 0x10FFFF).Select(char.ConvertFromUtf32)),
        (2, Gen.Elements("host=", " host=h ", ";Host=h;", "';port=1", "\";Port=1", "\\' user=", "''", "%41", "postgresql://", "'=", " user='")));

    private static Gen<string> Text(int least) =>
        Gen.Choose(least, 10).SelectMany(length => Piece.ArrayOf(length)).Select(pieces => string.Concat(pieces))
            .Where(text => !text.EndsWith('\n'));

    private static readonly Arbitrary<Login> Logins = Arb.From(
        from user in Text(1)
        from password in Text(0)
        from database in Text(1)
        from order in Gen.Choose(0, 5)
        select new Login(user, password, database, order));

    private static readonly int[][] Orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

    private static string InOrder(Login login, string separator, params string[] settings) =>
        string.Join(separator, Orders[login.Order].Select(i => settings[i]));

    private static string Percent(string text) =>
        string.Concat(Encoding.UTF8.GetBytes(text).Select(b => char.IsAsciiLetterOrDigit((char)b) ? ((char)b).ToString() : $"%{b:x2}"));

    private static string Quoted(string text) =>
        $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    private static string Escaped(string text) => text.Length == 0
        ? "''"
        : string.Concat(text.EnumerateRunes().Select(c => Rune.IsLetterOrDigit(c) ? c.ToString() : $"\\{c}"));

    private static string Doubled(string text, string quote) =>
        quote + text.Replace(quote, quote + quote, StringComparison.Ordinal) + quote;

    [Fact]
    public void AnyLogin_SurvivesAUri() => Check(login =>
        $"postgresql://{Percent(login.User)}:{Percent(login.Password)}@h/{Percent(login.Database)}");

    [Fact]
    public void AnyLogin_SurvivesUriParameters() => Check(login => "postgresql://h?" + InOrder(
        login, "&", $"user={Percent(login.User)}", $"password={Percent(login.Password)}", $"dbname={Percent(login.Database)}"));

    [Fact]
    public void AnyLogin_SurvivesQuotedKeywords() => Check(login => InOrder(
        login, " ", $"user={Quoted(login.User)}", $"password={Quoted(login.Password)}", $"dbname={Quoted(login.Database)}"));

    [Fact]
    public void AnyLogin_SurvivesEscapedKeywords() => Check(login => InOrder(
        login, " ", $"user={Escaped(login.User)}", $"password={Escaped(login.Password)}", $"dbname={Escaped(login.Database)}"));

    [Theory]
    [InlineData("\"")]
    [InlineData("'")]
    public void AnyLogin_SurvivesNpgsqlsForm(string quote) => Check(login => InOrder(
        login,
        ";",
        $"Username={Doubled(login.User, quote)}",
        $"password={Doubled(login.Password, quote)}",
        $"database={Doubled(login.Database, quote)}"));

    // A failure prints its seed, as FsCheck's "Replay"; set it here to repeat that run.
    private static void Check(Func<Login, string> render) => FsCheck.Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(1000).WithReplay(20240917, 41),
        Prop.ForAll(Logins, login =>
        {
            var builder = Dsn.Parse(render(login), _ => null);
            var copy = new NpgsqlConnectionStringBuilder(builder.ConnectionString);
            return Same(login, builder) && Same(login, copy);
        }));

    private static bool Same(Login login, NpgsqlConnectionStringBuilder builder) =>
        (builder.Username, builder.Password ?? "", builder.Database) == (login.User, login.Password, login.Database);
}
