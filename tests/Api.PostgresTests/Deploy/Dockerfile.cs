using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>Reads the Dockerfile's instructions, in their order; continued lines are joined.</summary>
internal sealed partial class Dockerfile
{
    private Dockerfile(IReadOnlyList<(string Name, string Value)> instructions) => Instructions = instructions;

    public IReadOnlyList<(string Name, string Value)> Instructions { get; }

    /// <summary>Gets the instructions of the last stage, which makes the image.</summary>
    public IReadOnlyList<(string Name, string Value)> Final =>
        [.. Instructions.Skip(Instructions.Index().Last(entry => entry.Item.Name == "FROM").Index)];

    public static async Task<Dockerfile> ReadAsync()
    {
        var text = await File.ReadAllTextAsync(Repository.PathOf("Dockerfile"), TestContext.Current.CancellationToken);
        var lines = Continuation().Replace(text, " ").Split('\n')
            .Select(line => line.Trim())
            .Where(line => line.Length > 0 && line[0] != '#');
        return new Dockerfile([.. lines.Select(line => line.Split(' ', 2)).Select(words => (words[0], words[1].Trim()))]);
    }

    public string Last(string name) => Final.Last(instruction => instruction.Name == name).Value;

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continuation();
}
