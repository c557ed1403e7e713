using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Api.Sql;

namespace Gateway.Api.Tests.Sql;

/// <summary>
/// Tests with random statements. FsCheck prints the seed of a failed run; <c>WithReplay</c> on <see cref="Runs"/>
/// repeats it.
/// </summary>
public sealed class SqlTextPropertyTests
{
    private const string Nasty = "abeE_é😀019 \t\n\r'\"$$$:::;,.()[]?@#*/--\\\0";

    private static readonly Config Runs = Config.QuickThrowOnFailure.WithMaxTest(2000);

    /// <summary>Represents a piece of SQL, and its placeholder: a name, a number, or none.</summary>
    private sealed record Fragment(string Sql, string? Name = null, int Number = 0);

    [Fact]
    public void NamedFragments_AreTheNamesFound() => Check.One(Runs, Prop.ForAll(
        Statements(PlaceholderStyle.Named),
        fragments =>
        {
            var scan = SqlText.Scan(Join(fragments, f => f.Sql), PlaceholderStyle.Named);
            var names = fragments.Select(f => f.Name).OfType<string>().Distinct().ToList();

            Assert.Equal(names, scan.Names);
            Assert.Equal(names.Count, scan.PlaceholderCount);
            Assert.False(scan.MixesStyles);
            Assert.Equal(
                Join(fragments, f => f.Name is null ? f.Sql : $"${names.IndexOf(f.Name) + 1}"),
                scan.Text);
        }));

    [Fact]
    public void PositionalFragments_AreTheNumbersFound() => Check.One(Runs, Prop.ForAll(
        Statements(PlaceholderStyle.Positional),
        fragments =>
        {
            var sql = Join(fragments, f => f.Sql);
            var scan = SqlText.Scan(sql, PlaceholderStyle.Positional);
            var numbers = fragments.Select(f => f.Number).Where(n => n > 0).ToHashSet();
            var highest = numbers.Append(0).Max();

            Assert.Same(sql, scan.Text);
            Assert.Equal(highest, scan.PlaceholderCount);
            Assert.Equal(Enumerable.Range(1, highest).Where(n => !numbers.Contains(n)), scan.UnusedPositions);
        }));

    [Fact]
    public void AnyText_MapsBack() => Check.One(Runs, Prop.ForAll(
        Soup(60).ToArbitrary(),
        sql =>
        {
            var scan = SqlText.Scan(sql, PlaceholderStyle.Named);

            Assert.Equal(sql, Restore(scan, sql));
        }));

    [Fact]
    public void AnyString_IsScanned() => Check.One(Runs, Prop.ForAll(
        ArbMap.Default.ArbFor<string?>(),
        sql =>
        {
            var positional = SqlText.Scan(sql ?? "", PlaceholderStyle.Positional);
            var named = SqlText.Scan(sql ?? "", PlaceholderStyle.Named);

            Assert.Equal((positional.Kind, positional.Keyword), (named.Kind, named.Keyword));
            if (named.PlaceholderCount == 0)
                Assert.Same(sql ?? "", named.Text);
        }));

    /// <summary>
    /// Restores the caller's text from the positions only: each position in a $n maps to its name, and any other to the
    /// same character.
    /// </summary>
    private static string Restore(SqlText scan, string sql)
    {
        var original = CodePoints(sql);
        var sent = CodePoints(scan.Text);
        var restored = new StringBuilder();
        for (var i = 0; i < sent.Count;)
        {
            var here = scan.OriginalPosition(i + 1);
            var end = i + 1;
            while (end < sent.Count && scan.OriginalPosition(end + 1) == here)
                end++;

            if (end == i + 1)
                restored.Append(original[here - 1]);
            else
                restored.Append(':').Append(scan.Names[Number(sent[(i + 1)..end]) - 1]);
            i = end;
        }

        return restored.ToString();
    }

    private static int Number(List<string> digits) => int.Parse(string.Concat(digits), CultureInfo.InvariantCulture);

    private static List<string> CodePoints(string text)
    {
        List<string> result = [];
        for (var i = 0; i < text.Length; i++)
            result.Add(i + 1 < text.Length && char.IsSurrogatePair(text, i) ? text.Substring(i++, 2) : text[i].ToString());
        return result;
    }

    private static string Join(Fragment[] fragments, Func<Fragment, string> sql) => string.Concat(fragments.Select(sql));

    /// <summary>Generates fragments with separators between them, so that each is read as it would be alone.</summary>
    private static Arbitrary<Fragment[]> Statements(PlaceholderStyle style)
    {
        var piece =
            from fragment in Fragments(style)
            from separator in Separator()
            select new[] { fragment, new Fragment(separator) };
        return piece.ArrayOf().Select(pieces => pieces.SelectMany(p => p).ToArray()).ToArbitrary();
    }

    private static Gen<Fragment> Fragments(PlaceholderStyle style)
    {
        Gen<Fragment> placeholder;
        if (style == PlaceholderStyle.Named)
        {
            placeholder = Gen.Elements("a", "b", "e", "E", "_x1", "né", "😀", "select", "a1")
                .Select(name => new Fragment(":" + name, Name: name));
        }
        else
        {
            placeholder = Gen.Choose(1, 130).Select(number => new Fragment($"${number}", Number: number));
        }

        return Gen.Frequency((4, placeholder), (5, Quoted().Select(sql => new Fragment(sql))), (2, Plain(style)));
    }

    private static Gen<string> Separator() => Gen.OneOf(
        Gen.Elements(" ", "\n", ",", "(", "||", "=", " ? ", " @> ", " :: ", "[", " : ", " := ", " => ", "/**/", ";"),
        Soup(8).Select(body => "--" + body.Replace("\n", "", StringComparison.Ordinal).Replace("\r", "", StringComparison.Ordinal) + "\n"),
        Soup(8).Select(body => $"/*{Calm(body)}/*/ {Calm(body)}*/ :no $9 **/"));

    private static Gen<string> Quoted() => Gen.OneOf(
        Soup(10).Select(body => "'" + Doubled(body, '\'') + "'::text"),
        Soup(10).Select(body => "\"" + Doubled(body, '"') + "\""),
        from body in Soup(10)
        from quote in Gen.Elements("''", @"\'")
        from more in Gen.Elements("", "\n'\\':no $9'", " -- '\n\t'\\' :no'\r'\\\\'")
        select "E'" + Escaped(body, quote) + "'" + more + "::text",
        from body in Soup(10)
        from delimiter in Gen.Elements("$$", "$a$", "$é_1$")
        let quoted = delimiter + body + delimiter
        where quoted.IndexOf(delimiter, delimiter.Length, StringComparison.Ordinal) == delimiter.Length + body.Length
        select quoted);

    private static Gen<Fragment> Plain(PlaceholderStyle style) => Gen.Elements(
            "x::int", "a[1:2]", "a[lo:hi]", "a[f(x):hi]", "f$1", "foo$$bar$$", "é$1", "1.5e-3", "N'x'", @"U&'\'", "x'1F'",
            "JSON_OBJECT('k':v)", "now()", "a ->> b", "-1", style == PlaceholderStyle.Named ? "12:30" : ":name")
        .Select(sql => new Fragment(sql));

    private static Gen<string> Soup(int length) =>
        Gen.Choose(0, length).SelectMany(n => Gen.Elements(Nasty.ToCharArray()).ArrayOf(n)).Select(c => new string(c));

    private static string Doubled(string body, char quote) =>
        body.Replace(quote.ToString(), new string(quote, 2), StringComparison.Ordinal);

    private static string Escaped(string body, string quote) =>
        body.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", quote, StringComparison.Ordinal);

    private static string Calm(string body) =>
        body.Replace("*", "", StringComparison.Ordinal).Replace("/", "", StringComparison.Ordinal);
}
