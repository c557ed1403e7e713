using Gateway.Api.Postgres;

namespace Gateway.Api.Tests.Postgres;

/// <summary>Tests the settings of a session as SQL, for a pooler that takes no options.</summary>
public sealed class SessionSettingsTests
{
    [Theory]
    [InlineData("-c work_mem=7MB", "E'work_mem', E'7MB'")]
    [InlineData("-cwork_mem=7MB", "E'work_mem', E'7MB'")]
    [InlineData("--work-mem=7MB", "E'work_mem', E'7MB'")]
    [InlineData("  -c   a.b=1\t", "E'a.b', E'1'")]
    [InlineData("-c search_path=a,\\ b", "E'search_path', E'a, b'")]
    [InlineData("-c x.y=a\\\\b", "E'x.y', E'a\\\\b'")]
    [InlineData("-c x.y=it's", "E'x.y', E'it''s'")]
    [InlineData("-c x.y=a=b", "E'x.y', E'a=b'")]
    [InlineData("-c x.y=", "E'x.y', E''")]
    [InlineData("-c x.y=ü\u00a0😀", "E'x.y', E'\\U000000FC\\U000000A0\\U0001F600'")]
    public void Option_IsSetByItsName(string options, string arguments)
    {
        var settings = SessionSettings.Parse(options);

        Assert.Equal($"SELECT pg_catalog.set_config({arguments}, true)", settings.ToSql(isLocal: true));
        Assert.Equal($"SELECT pg_catalog.set_config({arguments}, false)", settings.ToSql(isLocal: false));
        Assert.Equal(options, settings.Options);
        Assert.Null(settings.Unsettable);
    }

    [Fact]
    public void Settings_KeepTheirOrder()
    {
        var settings = SessionSettings.Parse("-c a=1 --b=2 -c a=3");
        settings.AddForSql("c", "4");

        Assert.Equal(
            "SELECT pg_catalog.set_config(E'a', E'1', true), pg_catalog.set_config(E'b', E'2', true), "
            + "pg_catalog.set_config(E'a', E'3', true), pg_catalog.set_config(E'c', E'4', true)",
            settings.ToSql(isLocal: true));
    }

    [Theory]
    [InlineData("-S 2MB", "-S")]
    [InlineData("-c work_mem=1MB -e", "-e")]
    [InlineData("-c", "-c")]
    [InlineData("-c work_mem", "-cwork_mem")]
    [InlineData("work_mem=1MB", "work_mem=1MB")]
    // A transaction takes these at BEGIN.
    [InlineData("-c default_transaction_isolation=serializable", "-cdefault_transaction_isolation=serializable")]
    [InlineData("--Default-Transaction-Deferrable=on", "--Default-Transaction-Deferrable=on")]
    public void OtherOption_CannotBeSet(string options, string word) =>
        Assert.Equal(word, SessionSettings.Parse(options).Unsettable);
}
