using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>The settings for reading answers.</summary>
internal static class AnswerJson
{
    /// <summary>
    /// The maximum nesting depth. PostgreSQL's json has at most about 6,000 levels. Reading does not recurse into
    /// values that are not read into a type.
    /// </summary>
    public const int MaxDepth = 8192;

    public static ContractJson Contract { get; } =
        new(new JsonSerializerOptions(ContractJson.Default.Options) { MaxDepth = MaxDepth });
}
