using System.Diagnostics.CodeAnalysis;

namespace Gateway.Api.PostgresTests;

/// <summary>The tests that look at a clock: they run by themselves, when all others are done.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
[SuppressMessage("Naming", "CA1711", Justification = "Collection is xunit's word for it.")]
public sealed class TimingCollection
{
    public const string Name = "Timing";
}
