using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Gateway.Api.Tests.Telemetry;

/// <summary>Tests that the event numbers are unique, because alerts use them.</summary>
public sealed class LogEventTests
{
    private static readonly LoggerMessageAttribute[] Events =
    [
        .. typeof(Program).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .SelectMany(method => method.GetCustomAttributes<LoggerMessageAttribute>()),
    ];

    [Fact]
    public void EachEvent_HasANumberOfItsOwn()
    {
        Assert.NotEmpty(Events);
        Assert.Equal(Events.Length, Events.Select(found => found.EventId).Distinct().Count());
    }

    [Fact]
    public void EachEvent_IsOnThePage()
    {
        var levels = File.ReadAllLines(Repository.PathOf("docs/logs-and-traces.md"));

        Assert.All(Events, found =>
        {
            var row = Assert.Single(levels, line => line.StartsWith($"| `{found.Level}` |", StringComparison.Ordinal));
            Assert.Matches($@"\b{found.EventId}\b", row);
        });
    }
}
