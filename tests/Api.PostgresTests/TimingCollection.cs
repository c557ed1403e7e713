namespace Gateway.Api.PostgresTests;

#pragma warning disable CA1711 // It is what xunit calls a collection.

/// <summary>Tests that measure time. They run alone, after all others.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TimingCollection
{
    public const string Name = "Timing";
}
