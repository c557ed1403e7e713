namespace Gateway.Api.PostgresTests.Replication;

#pragma warning disable CA1711 // It is what xunit calls a collection.

/// <summary>Lets classes share one primary and its standby. Their tests run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ReplicatedCollection : ICollectionFixture<ReplicatedServer>
{
    public const string Name = "replicated";
}
