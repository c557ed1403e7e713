using System.Globalization;
using Gateway.Api.PostgresTests;

[assembly: AssemblyFixture(typeof(ExamplePrograms))]

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Returns the commands that start the examples of each language, in their folder. Compiled languages are compiled once
/// per test run, into a temporary folder.
/// </summary>
public sealed class ExamplePrograms : IDisposable
{
    private static readonly TimeSpan BuildPatience = TimeSpan.FromMinutes(5);

    private readonly DirectoryInfo _builds = Directory.CreateTempSubdirectory("gateway-examples-");
    private readonly Lazy<Task<string>> _go;
    private readonly Lazy<Task<string>> _java;
    private readonly Lazy<Task<string>> _typeScript;

    public ExamplePrograms()
    {
        _go = new(BuildGoAsync);
        _java = new(BuildJavaAsync);
        _typeScript = new(BuildTypeScriptAsync);
    }

    public static TheoryData<string> Languages { get; } = ["go", "java", "python", "shell", "typescript"];

    public void Dispose() => _builds.Delete(recursive: true);

    /// <summary>
    /// Returns the command that sends one request with the client. It prints the answer as JSON, or the error on
    /// standard error.
    /// </summary>
    /// <param name="language">One of <see cref="Languages"/>.</param>
    /// <param name="endpoint"><c>query</c>, <c>execute</c> or <c>transaction</c>.</param>
    /// <param name="request">Its JSON, without <c>attempt</c>.</param>
    /// <param name="attempt">The number of the first attempt.</param>
    /// <param name="tries">The maximum number of tries; null for the client's default.</param>
    internal async Task<string[]> SendAsync(string language, string endpoint, string request, int? attempt, int? tries)
    {
        if (language == "shell")
        {
            const string Pipe = "printf %s \"$1\" | shell/gateway.sh \"${@:2}\"";
            return ["bash", "-c", Pipe, "-", request, endpoint, .. Arguments(attempt, tries)];
        }
        if (attempt is not null)
            request = string.Create(CultureInfo.InvariantCulture, $"{{\"attempt\": {attempt}, {request.TrimStart('{')}");
        string[] arguments = [endpoint, request, .. Arguments(tries)];
        return language switch
        {
            "go" => [await _go.Value, "send", .. arguments],
            "java" => [.. await JavaAsync("Gateway"), .. arguments],
            "python" => ["python3", "python/gateway.py", .. arguments],
            "typescript" => ["node", Path.Combine(await _typeScript.Value, "gateway.js"), .. arguments],
            _ => throw new ArgumentOutOfRangeException(nameof(language), language, null),
        };
    }

    /// <summary>Returns the command of the activity that prints a line of JSON for each user.</summary>
    internal async Task<string[]> UsersActivityAsync(string language) => language switch
    {
        "go" => [await _go.Value, "users"],
        "java" => await JavaAsync("UsersActivity"),
        "python" => ["python3", "python/users_activity.py"],
        "shell" => ["bash", "shell/users_activity.sh"],
        "typescript" => ["node", Path.Combine(await _typeScript.Value, "users-activity.js")],
        _ => throw new ArgumentOutOfRangeException(nameof(language), language, null),
    };

    /// <summary>Returns the command of the activity that registers a user, and prints the ID.</summary>
    internal async Task<string[]> RegisterUserActivityAsync(string language, string email, string name) =>
    [
        .. language switch
        {
            "go" => [await _go.Value, "register"],
            "java" => await JavaAsync("RegisterUserActivity"),
            "python" => ["python3", "python/register_user_activity.py"],
            "shell" => ["bash", "shell/register_user_activity.sh"],
            "typescript" => ["node", Path.Combine(await _typeScript.Value, "register-user-activity.js")],
            _ => throw new ArgumentOutOfRangeException(nameof(language), language, null),
        },
        email,
        name,
    ];

    private static IEnumerable<string> Arguments(params int?[] numbers)
    {
        // Numbers after the last given one are left out; a missing one before it gets its default, 1.
        var count = Array.FindLastIndex(numbers, number => number is not null) + 1;
        return numbers.Take(count).Select(number => (number ?? 1).ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The program runs for one second, too short for an optimizing compiler.</summary>
    private async Task<string[]> JavaAsync(string main) => ["java", "-XX:TieredStopAtLevel=1", "-cp", await _java.Value, main];

    private async Task<string> BuildGoAsync()
    {
        var program = Path.Combine(_builds.FullName, "go-example");
        // The build must work without a C compiler, without git and without the network.
        await BuildAsync(
            "go", ["go", "build", "-buildvcs=false", "-o", program, "."],
            new() { ["CGO_ENABLED"] = "0", ["GOPROXY"] = "off", ["GOFLAGS"] = "" });
        return program;
    }

    private async Task<string> BuildJavaAsync()
    {
        var classes = Path.Combine(_builds.FullName, "java");
        var sources = Directory.GetFiles(Path.Combine(ExampleProcess.Folder, "java"), "*.java");
        await BuildAsync("java", ["javac", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", classes, .. sources], []);
        return classes;
    }

    private async Task<string> BuildTypeScriptAsync()
    {
        var modules = _builds.CreateSubdirectory("typescript").FullName;
        await NpmFolder.InstallAsync("examples/typescript");
        await BuildAsync("typescript", ["npm", "run", "build", "--", "--outDir", modules], []);
        // The file declares them as modules.
        File.Copy(Path.Combine(ExampleProcess.Folder, "typescript", "package.json"), Path.Combine(modules, "package.json"));
        return modules;
    }

    private static async Task BuildAsync(string folder, string[] command, Dictionary<string, string> environment)
    {
        await using var build = new ClientProcess(
            Path.Combine(ExampleProcess.Folder, folder), command[0], command.Skip(1), environment);
        var code = await build.WaitForExitAsync(BuildPatience);
        Assert.True(code == 0, $"{string.Join(' ', command)} failed.\n{build.Output}\n{build.Errors}");
    }
}
