using Gateway.Api.Endpoints;

namespace Gateway.Api.Tests.Endpoints;

public sealed class ActivityIdTests
{
    [Theory]
    [InlineData("run/step", "run/step")]
    [InlineData("\"run/step\"", "run/step")]
    [InlineData("\"\"", "")]
    [InlineData("", "")]
    // A quotation mark after the first character has no special meaning.
    [InlineData("a\"b\\", "a\"b\\")]
    [InlineData("\"a\\\"b\\\\\"", "a\"b\\")]
    public void Header_IsBareOrQuoted(string header, string id) =>
        Assert.Equal(id, ActivityId.Unquote(header));

    [Theory]
    [InlineData("\"")]
    [InlineData("\"open")]
    [InlineData("\"a\"b\"")]
    [InlineData("\"a\" ")]
    [InlineData("\"a\\b\"")]
    [InlineData("\"a\\\"")]
    public void FaultyQuoting_IsNoId(string header) => Assert.Null(ActivityId.Unquote(header));

    [Theory]
    [InlineData("!", true)]
    [InlineData("~", true)]
    [InlineData("", false)]
    [InlineData(" ", false)]
    [InlineData("a\u007f", false)]
    [InlineData("a\n", false)]
    [InlineData("é", false)]
    public void Characters_AreVisibleAscii(string id, bool isValid) => Assert.Equal(isValid, ActivityId.IsValid(id));

    [Theory]
    [InlineData(255, true)]
    [InlineData(256, false)]
    public void Length_IsAtMost255(int length, bool isValid) => Assert.Equal(isValid, ActivityId.IsValid(new string('x', length)));
}
