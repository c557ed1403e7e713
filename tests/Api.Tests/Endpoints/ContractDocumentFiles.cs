using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>Reads the files that contain the contract in addition to the code.</summary>
internal static partial class ContractFiles
{
    /// <summary>Reads YAML by the rules of version 1.1, the more dangerous ones: a plain <c>no</c> is false.</summary>
    public static JsonNode ReadYaml(byte[] yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(Encoding.UTF8.GetString(yaml)));
        return Read(Assert.Single(stream.Documents).RootNode)!;
    }

    private static JsonNode? Read(YamlNode node) => node switch
    {
        YamlMappingNode mapping => new JsonObject(mapping.Children.Select(
            child => KeyValuePair.Create(((YamlScalarNode)child.Key).Value!, Read(child.Value)))),
        YamlSequenceNode sequence => new JsonArray([.. sequence.Children.Select(Read)]),
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => ReadPlain(scalar.Value!),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => throw new NotSupportedException(node.GetType().Name),
    };

    private static JsonNode? ReadPlain(string text) => text switch
    {
        "" or "~" => null,
        _ when Word().IsMatch(text) => JsonValue.Create(text.ToLowerInvariant() is "y" or "yes" or "on" or "true"),
        _ when Number().IsMatch(text) => JsonNode.Parse(text),
        // Other texts that version 1.1 does not read as strings must be quoted.
        _ when Other().IsMatch(text) => throw new InvalidDataException($"{text} is bare."),
        _ => JsonValue.Create(text),
    };

    [GeneratedRegex("^(y|n|yes|no|on|off|true|false)$", RegexOptions.IgnoreCase)]
    private static partial Regex Word();

    [GeneratedRegex(@"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$")]
    private static partial Regex Number();

    [GeneratedRegex(@"^([-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|0[0-9xob][0-9a-fA-F_]*|null|[-+]?\.(inf|nan)|=|<<)$", RegexOptions.IgnoreCase)]
    private static partial Regex Other();
}
