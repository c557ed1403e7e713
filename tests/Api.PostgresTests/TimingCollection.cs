namespace Gateway.Api.PostgresTests;

#pragma warning disable CA1711 // It is what xunit calls a collection.

/// <summary>The tests that look at a clock: they run by themselves, when all others are done.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TimingCollection
{
    public const string Name = "Timing";
}
