using System.Text.RegularExpressions;

namespace Gateway.Api.Tests;

/// <summary>
/// Tests that the tests named on the page exist. The page names a test for each risk; a renamed or deleted one proves
/// nothing.
/// </summary>
public sealed partial class SecurityPageTests
{
    [Fact]
    public void EachTestThatThePageNames_IsThere()
    {
        var page = File.ReadAllText(Repository.PathOf("docs/security.md"));
        var classes = Directory.EnumerateFiles(Repository.PathOf("tests"), "*Tests.cs", SearchOption.AllDirectories)
            .GroupBy(file => Path.GetFileNameWithoutExtension(file))
            .ToDictionary(files => files.Key, files => string.Concat(files.Select(File.ReadAllText)), StringComparer.Ordinal);

        var named = TestName().Matches(page).Select(name => (Class: name.Groups["class"].Value, Method: name.Groups["method"].Value)).ToArray();

        Assert.True(named.Length > 40, $"The page names {named.Length} tests.");
        (string, string)[] missing = [.. named.Where(test => !classes.TryGetValue(test.Class, out var text) || !Holds(text, test.Method))];
        Assert.Empty(missing);
    }

    [Fact]
    public void EachOfTheTenRisks_NamesATest()
    {
        var risks = File.ReadAllText(Repository.PathOf("docs/security.md")).Split("\n### API")[1..];

        Assert.Equal(Enumerable.Range(1, 10), risks.Select(risk => int.Parse(risk[..risk.IndexOf(':', StringComparison.Ordinal)])));
        Assert.All(risks, risk => Assert.Matches(TestName(), risk));
    }

    private static bool Holds(string text, string method) =>
        Regex.IsMatch(text, method == "*" ? @"\[(Fact|Theory)\b" : $@"public (async )?(Task|void) {method}\(");

    [GeneratedRegex(@"`(?<class>[A-Z]\w+Tests)\.(?<method>\w+|\*)`")]
    private static partial Regex TestName();
}
