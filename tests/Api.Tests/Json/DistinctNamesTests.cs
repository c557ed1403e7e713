using Gateway.Api.Json;

namespace Gateway.Api.Tests.Json;

public sealed class DistinctNamesTests
{
    /// <summary>Numbers of names around the switch to hashing.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(100)]
    public void NameThatHasCome_IsRefused(int count)
    {
        var names = new DistinctNames();
        for (var i = 0; i < count; i++)
            Assert.True(names.Add($"name{i}"));

        for (var i = 0; i < count; i++)
            Assert.False(names.Add($"name{i}"));
        Assert.True(names.Add("NAME0"));
        Assert.False(names.Add("NAME0"));
        Assert.True(names.Add(""));
    }
}
