using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>How answers are read.</summary>
internal static class AnswerJson
{
    /// <summary>PostgreSQL's json is some 6,000 levels deep at most; what is not read into a type is not descended into.</summary>
    public const int MaxDepth = 8192;

    public static ContractJson Contract { get; } =
        new(new JsonSerializerOptions(ContractJson.Default.Options) { MaxDepth = MaxDepth });
}
