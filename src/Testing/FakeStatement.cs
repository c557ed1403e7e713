using System.Text.Json;

namespace Gateway.Testing;

/// <summary>A statement that a <see cref="FakeGatewayClient"/> has to answer.</summary>
/// <param name="ActivityId">The activity ID of the request.</param>
/// <param name="Attempt">The number of the engine's attempt, from 1.</param>
/// <param name="Sql">The SQL.</param>
/// <param name="Parameters">The parameters, as they would be sent: an array, an object, or null.</param>
public sealed record FakeStatement(string ActivityId, int Attempt, string Sql, JsonElement? Parameters);
