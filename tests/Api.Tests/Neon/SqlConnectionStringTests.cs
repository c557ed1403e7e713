using Gateway.Api.Neon;

namespace Gateway.Api.Tests.Neon;

public sealed class SqlConnectionStringTests
{
    [Theory]
    [InlineData("postgresql://user:key@host/reports", "reports", "key")]
    [InlineData("postgres://user:key@ep-cool-name-1234.eu-central-1.aws.neon.tech/reports?sslmode=require&channel_binding=require", "reports", "key")]
    [InlineData("postgresql://user:a%2Fb%40c%3A@host:5432/with%20space", "with space", "a/b@c:")]
    // The password contains a colon.
    [InlineData("postgresql://user:a:b@host/x", "x", "a:b")]
    [InlineData("postgresql://:key@[::1]:6432/x", "x", "key")]
    [InlineData("postgresql://user:@host/x", "x", "")]
    [InlineData("postgresql://user@host/x", "x", null)]
    [InlineData("postgresql://host", "default", null)]
    [InlineData("postgresql://user:key@host/", "default", "key")]
    public void PasswordIsTheKey_DatabaseTheConnection(string text, string connection, string? key)
    {
        Assert.True(SqlConnectionString.TryRead(text, out var read));
        Assert.Equal((connection, key), (read.Connection, read.Key));
    }

    [Theory]
    [InlineData("")]
    [InlineData("reports")]
    [InlineData("host=h dbname=reports")]
    [InlineData("mysql://user:key@host/reports")]
    [InlineData("https://user:key@host/reports")]
    [InlineData("postgresql://user:key@host:99999999/reports")]
    public void AnythingElse_IsNone(string text) => Assert.False(SqlConnectionString.TryRead(text, out _));

    [Fact]
    public void Printed_HasNoKey()
    {
        Assert.True(SqlConnectionString.TryRead("postgresql://user:secret@host/reports", out var read));

        Assert.DoesNotContain("secret", $"{read}");
    }
}
