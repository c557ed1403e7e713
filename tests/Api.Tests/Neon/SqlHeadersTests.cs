using System.Data;
using Gateway.Api.Neon;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Tests.Neon;

public sealed class SqlHeadersTests
{
    [Theory]
    [InlineData("true", true)]
    [InlineData("True", false)]
    [InlineData("1", false)]
    [InlineData(" true", false)]
    [InlineData("false", false)]
    [InlineData("", false)]
    public void Flag_CountsOnlyAsExactlyTrue(string value, bool counts)
    {
        foreach (var name in new[] { SqlHeaders.RawTextOutput, SqlHeaders.ArrayModeOutput, SqlHeaders.ReadOnly, SqlHeaders.Deferrable })
        {
            var headers = Read((name, value))!;

            var flags = new Dictionary<string, bool>
            {
                [SqlHeaders.RawTextOutput] = headers.RawText,
                [SqlHeaders.ArrayModeOutput] = headers.ArrayMode,
                [SqlHeaders.ReadOnly] = headers.Batch.ReadOnly,
                [SqlHeaders.Deferrable] = headers.Batch.Deferrable,
            };
            Assert.All(flags, flag => Assert.Equal(counts && flag.Key == name, flag.Value));
        }
    }

    [Fact]
    public void FlagTwice_DoesNotCount() =>
        Assert.False(Read((SqlHeaders.RawTextOutput, new StringValues(["true", "true"])))!.RawText);

    [Theory]
    [InlineData("ReadUncommitted", IsolationLevel.ReadUncommitted)]
    [InlineData("ReadCommitted", IsolationLevel.ReadCommitted)]
    [InlineData("RepeatableRead", IsolationLevel.RepeatableRead)]
    [InlineData("Serializable", IsolationLevel.Serializable)]
    public void IsolationLevel_IsEchoedAsItCame(string name, IsolationLevel level)
    {
        var batch = Read((SqlHeaders.IsolationLevel, name), (SqlHeaders.ReadOnly, "true"), (SqlHeaders.Deferrable, "true"))!.Batch;
        var answer = new HeaderDictionary();

        batch.Echo(answer);

        Assert.Equal(level, batch.Isolation);
        Assert.Equal(
            [(SqlHeaders.Deferrable, "true"), (SqlHeaders.IsolationLevel, name), (SqlHeaders.ReadOnly, "true")],
            answer.Select(header => (header.Key, $"{header.Value}")).Order());
    }

    [Fact]
    public void NothingAsked_NothingEchoed()
    {
        var answer = new HeaderDictionary();

        Read()!.Batch.Echo(answer);

        Assert.Empty(answer);
    }

    [Theory]
    [InlineData("")]
    [InlineData("serializable")]
    [InlineData("READ COMMITTED")]
    [InlineData("Chaos")]
    [InlineData("1")]
    public void OtherIsolationLevel_IsNone(string name) => Assert.Null(Read((SqlHeaders.IsolationLevel, name)));

    private static SqlHeaders? Read(params (string Name, StringValues Value)[] headers)
    {
        var dictionary = new HeaderDictionary();
        foreach (var (name, value) in headers)
            dictionary[name] = value;
        return SqlHeaders.Read(dictionary);
    }
}
