using System.Text;
using Gateway.Api.Sql;

namespace Gateway.Api.Tests.Sql;

public sealed class SqlTextTests
{
    [Theory]
    [InlineData("SELECT 1", 0)]
    [InlineData("SELECT $1", 1)]
    [InlineData("SELECT $1,$2 , $2", 2)]
    [InlineData("$12", 12)]
    [InlineData("$1$2", 2)]
    [InlineData("$007", 7)]
    // Strings.
    [InlineData("'$1'", 0)]
    [InlineData("'it''s $1' || $2::text", 2)]
    [InlineData(@"'c:\' || $1 || '$2'", 1)]
    [InlineData(@"E'\' $1' || '$2'", 0)]
    [InlineData(@"e'\\' || $1", 1)]
    [InlineData(@"E'a''\' $2' || $1", 1)]
    [InlineData(@"nameE'\' || $1", 1)]
    [InlineData(@"_e'\' || $1", 1)]
    [InlineData(@"""t""E'\' $2' || $1", 1)]
    [InlineData(@"U&'\0061\' || $1", 1)]
    [InlineData(@"N'$1' b'\' X'\' || $1", 1)]
    [InlineData("E''$1", 1)]
    // Continued strings: only E'…' is read differently.
    [InlineData("E'a'\n'b\\'$1'", 0)]
    [InlineData("E'a' \t\r 'b\\'$1'", 0)]
    [InlineData("E'a' -- it's\n\n -- $2\n'b\\'$1'", 0)]
    [InlineData("E'a'\n'b'\n'c\\'$1'", 0)]
    [InlineData("E'a' 'b\\' $1", 1)]
    [InlineData("E'a'\n/**/'b\\' $1", 1)]
    [InlineData("E'a'/*\n*/'b\\' $1", 1)]
    [InlineData("E'a' --\n$1", 1)]
    [InlineData("'a'\n'b\\' $1", 1)]
    [InlineData("E'a'\n|| 'b\\' $1", 1)]
    // Quoted names.
    [InlineData("\"$1\"", 0)]
    [InlineData("\"a\"\"$1\" $2", 2)]
    [InlineData("U&\"$1\" \"'\" $1", 1)]
    // Dollar quotes, and dollar signs that begin none.
    [InlineData("$$ $1 $$", 0)]
    [InlineData("$$'$$ || $1", 1)]
    [InlineData("$a$ $1 $$ $b$ $A$ $a$ || $1", 1)]
    [InlineData("$a$ $aa$ $1 $a$", 0)]
    [InlineData("$a$ $b$a$ || $1", 1)]
    [InlineData("$é_1$ $1 $é_1$ $2", 2)]
    [InlineData("$1$ $2", 2)]
    [InlineData("$1$$ $2 $$ $3", 3)]
    [InlineData("$a b$ $1", 1)]
    [InlineData("$a-$ $1", 1)]
    [InlineData("$ $1", 1)]
    [InlineData("foo$1", 0)]
    [InlineData("foo$$bar$$ $1", 1)]
    [InlineData("é$1", 0)]
    [InlineData("_$1", 0)]
    [InlineData("\u00a0$1", 0)]
    [InlineData("😀$1", 0)]
    [InlineData("\"a\"$1", 1)]
    [InlineData("1$1", 1)]
    [InlineData("1 $$ $9 $$", 0)]
    [InlineData("1$$ $9 $$", 0)]
    // Comments.
    [InlineData("-- $1\n$2", 2)]
    [InlineData("-- $1\r$2", 2)]
    [InlineData("--$1", 0)]
    [InlineData("- -$1", 1)]
    [InlineData("/* $1 */ $2", 2)]
    [InlineData("/* /* $1 */ $2 */ $3", 3)]
    [InlineData("/*/ $1 */ $2", 2)]
    [InlineData("/**/$1", 1)]
    [InlineData("/***/$1/****/", 1)]
    [InlineData("/*/**/*/$1", 1)]
    [InlineData("/* ' */ $1 -- '\n", 1)]
    [InlineData("'--' $1", 1)]
    [InlineData("'/*' $1", 1)]
    [InlineData("+--$1", 0)]
    [InlineData("*/*$1*/", 0)]
    [InlineData("@-- $1\n$2", 2)]
    [InlineData("a */ $1", 1)]
    // Operators, casts and slices.
    [InlineData("a ? $1 AND b ?| $2 AND c @> $3 AND d @@ $4 AND e #> $5", 5)]
    [InlineData("a->>$1", 1)]
    [InlineData("a=$1", 1)]
    [InlineData("-$1", 1)]
    [InlineData("$1::int", 1)]
    [InlineData("a[$1:$2]", 2)]
    [InlineData("f(a => $1, b := $2)", 2)]
    [InlineData("[$1](2)", 1)]
    // Invalid text, which only PostgreSQL refuses.
    [InlineData("$1abc", 1)]
    [InlineData("$1_000", 1)]
    [InlineData("$0", 0)]
    [InlineData("$2147483647", int.MaxValue)]
    [InlineData("$2147483648", int.MaxValue)]
    [InlineData("$99999999999999999999999999", int.MaxValue)]
    [InlineData("$", 0)]
    // Unterminated: the rest belongs to the token.
    [InlineData("'$1", 0)]
    [InlineData("'$1''", 0)]
    [InlineData("E'$1\\", 0)]
    [InlineData("E'$1\\'", 0)]
    [InlineData("\"$1", 0)]
    [InlineData("$$ $1", 0)]
    [InlineData("$a$ $1 $a", 0)]
    [InlineData("/* $1", 0)]
    [InlineData("/* /* $1 */", 0)]
    [InlineData("/* $1 *", 0)]
    public void Positional_CountsTheHighest(string sql, int count)
    {
        var scan = SqlText.Scan(sql, PlaceholderStyle.Positional);

        Assert.Equal(count, scan.PlaceholderCount);
        Assert.Same(sql, scan.Text);
        Assert.Empty(scan.Names);
        Assert.False(scan.MixesStyles);
    }

    /// <summary>The parameters belong to the function, or to the prepared statement.</summary>
    [Theory]
    [InlineData("CREATE FUNCTION f(int) RETURNS int RETURN $1 + 1", 0)]
    [InlineData(";/* */ create or replace function f(int) returns int return $1 + 1", 0)]
    [InlineData("CREATE PROCEDURE p(int) BEGIN ATOMIC INSERT INTO t VALUES ($1); END", 0)]
    [InlineData("PREPARE p (int) AS SELECT $1", 0)]
    [InlineData("CREATE TABLE t AS SELECT $1::int", 1)]
    [InlineData("CREATE OR REPLACE VIEW function AS SELECT $1::int", 1)]
    [InlineData("CREATE", 0)]
    [InlineData("EXECUTE p ($1)", 1)]
    [InlineData("EXPLAIN SELECT $1::int", 1)]
    public void PositionalInWhatIsMade_IsNoPlaceholder(string sql, int count) =>
        Assert.Equal(count, SqlText.Scan(sql, PlaceholderStyle.Positional).PlaceholderCount);

    [Theory]
    [InlineData("SELECT :x, a[:n]")]
    [InlineData(":x")]
    public void PositionalWithColons_LeavesThemAlone(string sql)
    {
        var scan = SqlText.Scan(sql, PlaceholderStyle.Positional);

        Assert.Same(sql, scan.Text);
        Assert.Equal(0, scan.PlaceholderCount);
    }

    [Theory]
    [InlineData("$1, $2", new int[0])]
    [InlineData("$1, $3", new[] { 2 })]
    [InlineData("$4", new[] { 1, 2, 3 })]
    [InlineData("$66 $2", new[] { 1 }, 3, 65)]
    [InlineData("$1 $1 $1 $3", new[] { 2 })]
    [InlineData("$0 $2", new[] { 1 })]
    [InlineData("$1 '$2' $3", new[] { 2 })]
    [InlineData("$65536", new int[0])]
    [InlineData("$2147483647", new int[0])]
    public void PositionalWithGaps_NamesTheUnused(string sql, int[] unused, int from = 0, int to = -1)
    {
        var expected = unused.Concat(Enumerable.Range(from, Math.Max(0, to - from + 1)));

        Assert.Equal(expected, SqlText.Scan(sql, PlaceholderStyle.Positional).UnusedPositions);
    }

    [Fact]
    public void HighestThatTheProtocolCarries_NamesAllOthers()
    {
        var scan = SqlText.Scan("$65535", PlaceholderStyle.Positional);

        Assert.Equal(SqlText.MaxPlaceholders, scan.PlaceholderCount);
        Assert.Equal(Enumerable.Range(1, 65534), scan.UnusedPositions);
    }

    [Theory]
    [InlineData(":a", "$1", "a")]
    [InlineData("SELECT :a, :b, :a", "SELECT $1, $2, $1", "a,b")]
    [InlineData(":b :a", "$1 $2", "b,a")]
    [InlineData(":a :A", "$1 $2", "a,A")]
    [InlineData(":_a1,:é,:a😀", "$1,$2,$3", "_a1,é,a😀")]
    [InlineData(":a.b", "$1.b", "a")]
    [InlineData(":a$b", "$1$b", "a")]
    [InlineData(":e'\\'", "$1'\\'", "e")]
    [InlineData("(:a,:b)", "($1,$2)", "a,b")]
    // Casts and other colons.
    [InlineData(":a::int", "$1::int", "a")]
    [InlineData("'1'::int", "'1'::int", "")]
    [InlineData("x::int::text", "x::int::text", "")]
    [InlineData("x :: int", "x :: int", "")]
    [InlineData("x::/**/:a", "x::/**/$1", "a")]
    [InlineData(":::a", "::$1", "a")]
    [InlineData("f(x := :a, y=>:b)", "f(x := $1, y=>$2)", "a,b")]
    [InlineData("f(x :=:a)", "f(x :=$1)", "a")]
    [InlineData(": a", ": a", "")]
    [InlineData(":1", ":1", "")]
    [InlineData("12:30", "12:30", "")]
    [InlineData(":", ":", "")]
    [InlineData("a :", "a :", "")]
    // Slices: a colon directly after an operand is PostgreSQL's own.
    [InlineData("a[1:2]", "a[1:2]", "")]
    [InlineData("a[1:n]", "a[1:n]", "")]
    [InlineData("a[lo:hi]", "a[lo:hi]", "")]
    [InlineData("a[f(x):g(y)]", "a[f(x):g(y)]", "")]
    [InlineData("a[b[1]:c]", "a[b[1]:c]", "")]
    [InlineData("a[\"lo\":hi]", "a[\"lo\":hi]", "")]
    [InlineData("a[x$:hi]", "a[x$:hi]", "")]
    [InlineData("a[:n]", "a[$1]", "n")]
    [InlineData("a[1: n]", "a[1: n]", "")]
    [InlineData("a[1: :n]", "a[1: $1]", "n")]
    [InlineData("a[:lo : :hi]", "a[$1 : $2]", "lo,hi")]
    [InlineData("a[:lo: :hi]", "a[$1: $2]", "lo,hi")]
    [InlineData("a[:lo::int : :hi::int]", "a[$1::int : $2::int]", "lo,hi")]
    [InlineData("a[(:lo):(:hi)]", "a[($1):($2)]", "lo,hi")]
    [InlineData("a[:lo:hi]", "a[$1:hi]", "lo")]
    [InlineData("a[:lo:]", "a[$1:]", "lo")]
    [InlineData("a[::hi]", "a[::hi]", "")]
    [InlineData("a[: :hi]", "a[: $1]", "hi")]
    [InlineData("ARRAY[:a,:b]", "ARRAY[$1,$2]", "a,b")]
    [InlineData("JSON_OBJECT('k':v)", "JSON_OBJECT('k':v)", "")]
    [InlineData("JSON_OBJECT('k': :v)", "JSON_OBJECT('k': $1)", "v")]
    [InlineData("LIMIT:n", "LIMIT:n", "")]
    [InlineData("LIMIT/**/:n", "LIMIT/**/$1", "n")]
    [InlineData("LIMIT--\n:n", "LIMIT--\n$1", "n")]
    // Operators.
    [InlineData("a=:a AND b>=:b AND c||:c", "a=$1 AND b>=$2 AND c||$3", "a,b,c")]
    [InlineData("a ? :a AND b ?| :b AND c @> :c", "a ? $1 AND b ?| $2 AND c @> $3", "a,b,c")]
    [InlineData("a->:a->>:b #> :c @@ :d", "a->$1->>$2 #> $3 @@ $4", "a,b,c,d")]
    [InlineData("-:a*:b", "-$1*$2", "a,b")]
    // Text that PostgreSQL does not read as part of the statement's code.
    [InlineData("':a' :b", "':a' $1", "b")]
    [InlineData("'it'':a' :b", "'it'':a' $1", "b")]
    [InlineData(@"E'\':a' :b", @"E'\':a' $1", "b")]
    [InlineData("E'a'\n'b\\':a' :b", "E'a'\n'b\\':a' $1", "b")]
    [InlineData("\":a\" :b", "\":a\" $1", "b")]
    [InlineData("$$:a$$ :b", "$$:a$$ $1", "b")]
    [InlineData("$q$ :a $$ $q$ :b", "$q$ :a $$ $q$ $1", "b")]
    [InlineData("-- :a\n:b", "-- :a\n$1", "b")]
    [InlineData("/* :a /* :a */ :a */ :b", "/* :a /* :a */ :a */ $1", "b")]
    [InlineData("':a", "':a", "")]
    [InlineData("/* :a", "/* :a", "")]
    // A $n must not join the token before it.
    [InlineData("$:a", "$:a", "")]
    [InlineData("x:a", "x:a", "")]
    [InlineData("1:a", "1:a", "")]
    public void Named_BecomePositional(string sql, string sent, string names)
    {
        var scan = SqlText.Scan(sql, PlaceholderStyle.Named);

        Assert.Equal(sent, scan.Text);
        Assert.Equal(names.Split(',', StringSplitOptions.RemoveEmptyEntries), scan.Names);
        Assert.Equal(scan.Names.Count, scan.PlaceholderCount);
        Assert.False(scan.MixesStyles);
        if (names.Length == 0)
            Assert.Same(sql, scan.Text);
    }

    [Theory]
    [InlineData(":a $1", true)]
    [InlineData("$1", true)]
    [InlineData("$0 :a", true)]
    [InlineData(":a '$1' \"$1\" -- $1\n/* $1 */ foo$1 $$ $1 $$", false)]
    public void NamedWithPositional_MixesStyles(string sql, bool mixes) =>
        Assert.Equal(mixes, SqlText.Scan(sql, PlaceholderStyle.Named).MixesStyles);

    [Fact]
    public void TenthName_MapsPositionsPastTwoDigits()
    {
        var sql = string.Join(',', Enumerable.Range(0, 12).Select(i => $":n{i}")) + " !";

        var scan = SqlText.Scan(sql, PlaceholderStyle.Named);

        Assert.Equal("$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12 !", scan.Text);
        Assert.Equal(sql.IndexOf('!', StringComparison.Ordinal) + 1, scan.OriginalPosition(scan.Text.Length));
    }

    [Theory]
    [InlineData("SELECT :name, oops", "SELECT $1, |oops", "SELECT :name, |oops")]
    [InlineData("SELECT :name, oops", "SELECT |$1, oops", "SELECT |:name, oops")]
    [InlineData("SELECT :name, oops", "SELECT $|1, oops", "SELECT |:name, oops")]
    [InlineData("SELECT :name, oops", "SELECT $1|, oops", "SELECT :name|, oops")]
    [InlineData("SELECT :name, oops", "|SELECT $1, oops", "|SELECT :name, oops")]
    [InlineData("SELECT :name", "SELECT $1|", "SELECT :name|")]
    [InlineData(":a :b :a x", "$1 $2 $1 |x", ":a :b :a |x")]
    [InlineData("'😀', :é😀, '😀' x", "'😀', $1, '😀' |x", "'😀', :é😀, '😀' |x")]
    [InlineData("'😀', :é😀, x", "'😀', |$1, x", "'😀', |:é😀, x")]
    [InlineData("'😀' |x", "'😀' ||x", "'😀' ||x")]
    public void Position_IsThatOfTheCallersText(string sql, string sent, string expected)
    {
        var scan = SqlText.Scan(sql, PlaceholderStyle.Named);
        Assert.Equal(scan.Text, sent.Remove(sent.IndexOf('|', StringComparison.Ordinal), 1));

        Assert.Equal(MarkedPosition(expected), scan.OriginalPosition(MarkedPosition(sent)));
    }

    [Fact]
    public void PositionOutsideTheText_KeepsItsDistance()
    {
        var scan = SqlText.Scan("SELECT :name", PlaceholderStyle.Named);

        Assert.Equal(0, scan.OriginalPosition(0));
        Assert.Equal(-5, scan.OriginalPosition(-5));
        Assert.Equal(14, scan.OriginalPosition(11));
    }

    [Theory]
    [InlineData("", "/*")]
    [InlineData("", "/**/")]
    [InlineData("", "--\n")]
    [InlineData("", "$")]
    [InlineData("", "$a ")]
    [InlineData("$", "a")]
    [InlineData("$a$", "$aa")]
    [InlineData("", "E'' --\n")]
    [InlineData("E''", "\n--")]
    [InlineData("E'", "\\'")]
    [InlineData("", "'")]
    [InlineData("", "\"")]
    [InlineData("", ":")]
    [InlineData("SET ", "LOCAL ")]
    [InlineData("", ";")]
    [InlineData("", "\0")]
    [InlineData("", "é")]
    public void HugeText_IsScanned(string start, string part)
    {
        var sql = start + Repeat(part, 1 << 20);
        foreach (var style in Enum.GetValues<PlaceholderStyle>())
        {
            var scan = SqlText.Scan(sql, style);
            Assert.Equal(0, scan.PlaceholderCount);
            Assert.Same(sql, scan.Text);
        }
    }

    [Fact]
    public void LongNearlyMatchingTags_AreScanned()
    {
        var sql = "$" + new string('a', 1 << 20) + "$" + Repeat("$" + new string('a', 1 << 10), 1 << 10) + "$ $1";

        Assert.Equal(0, SqlText.Scan(sql, PlaceholderStyle.Positional).PlaceholderCount);
    }

    [Fact]
    public void LoneSurrogates_AreScanned()
    {
        var scan = SqlText.Scan("\ud83d :\ud83d \ude00:x :x\ude00 !", PlaceholderStyle.Named);

        Assert.Equal("\ud83d $1 \ude00:x $2 !", scan.Text);
        Assert.Equal(14, scan.OriginalPosition(13));
    }

    [Fact]
    public void MillionPositions_AreCounted() =>
        Assert.Equal(3, SqlText.Scan(Repeat("$1 $2 $3 ", 1 << 20), PlaceholderStyle.Positional).PlaceholderCount);

    [Fact]
    public void MillionNames_AreNumbered()
    {
        var sql = new StringBuilder();
        for (var i = 1; i <= 1_000_000; i++)
            sql.Append(":n").Append(i % 999_999).Append(' ');

        var scan = SqlText.Scan(sql.ToString(), PlaceholderStyle.Named);

        Assert.Equal(999_999, scan.PlaceholderCount);
        Assert.EndsWith(" $999998 $999999 $1 ", scan.Text, StringComparison.Ordinal);
        Assert.Equal(sql.Length, scan.OriginalPosition(scan.Text.Length));
    }

    private static string Repeat(string part, int times) => new StringBuilder().Insert(0, part, times).ToString();

    private static int MarkedPosition(string text) =>
        text[..text.IndexOf('|', StringComparison.Ordinal)].EnumerateRunes().Count() + 1;
}
