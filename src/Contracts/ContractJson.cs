using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>
/// Reads and writes the contract's types as JSON: camelCase members, nulls left out, <c>snake_case</c> codes and
/// <c>kebab-case</c> choices.
/// </summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(QueryRequest))]
[JsonSerializable(typeof(ExecuteRequest))]
[JsonSerializable(typeof(TransactionRequest))]
[JsonSerializable(typeof(QueryResponse))]
[JsonSerializable(typeof(StatementResponse))]
[JsonSerializable(typeof(TransactionResponse))]
[JsonSerializable(typeof(ActivityResponse))]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(Readiness))]
[JsonSerializable(typeof(Liveness))]
public sealed partial class ContractJson : JsonSerializerContext;

/// <summary>Reads and writes a <see cref="ProblemCode"/>, such as <c>sql_error</c>.</summary>
public sealed class ProblemCodeConverter()
    : JsonStringEnumConverter<ProblemCode>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>Reads and writes a <see cref="Committed"/>, such as <c>unknown</c>.</summary>
public sealed class CommittedConverter()
    : JsonStringEnumConverter<Committed>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>Reads and writes a <see cref="RowFormat"/>, such as <c>object</c>.</summary>
public sealed class RowFormatConverter()
    : JsonStringEnumConverter<RowFormat>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false);

/// <summary>Reads and writes a <see cref="Numbers"/>, such as <c>exact</c>.</summary>
public sealed class NumbersConverter()
    : JsonStringEnumConverter<Numbers>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false);

/// <summary>Reads and writes a <see cref="Delivery"/>, such as <c>exactly-once</c>.</summary>
public sealed class DeliveryConverter()
    : JsonStringEnumConverter<Delivery>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false);

/// <summary>Reads and writes an <see cref="OnDisconnect"/>, such as <c>continue</c>.</summary>
public sealed class OnDisconnectConverter()
    : JsonStringEnumConverter<OnDisconnect>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false);

/// <summary>
/// Reads and writes an <see cref="Isolation"/> in PostgreSQL's spelling, such as <c>repeatable read</c>.
/// </summary>
public sealed class IsolationConverter()
    : JsonStringEnumConverter<Isolation>(new SpacedPolicy(), allowIntegerValues: false)
{
    private sealed class SpacedPolicy : JsonNamingPolicy
    {
        public override string ConvertName(string name) => SnakeCaseLower.ConvertName(name).Replace('_', ' ');
    }
}

/// <summary>Reads and writes an <see cref="ActivityStatus"/>, such as <c>running</c>.</summary>
public sealed class ActivityStatusConverter()
    : JsonStringEnumConverter<ActivityStatus>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);
