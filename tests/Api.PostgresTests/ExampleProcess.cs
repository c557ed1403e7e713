using System.ComponentModel;
using System.Diagnostics;

namespace Gateway.Api.PostgresTests;

/// <summary>What an example printed, and its exit code.</summary>
internal sealed record ExampleProcess(int ExitCode, string Output, string Errors)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The folder of the repository that holds the examples.</summary>
    public static string Folder { get; } = Repository.PathOf("examples");

    /// <summary>Runs a program in the folder of the examples to its end, or for a minute.</summary>
    /// <param name="gateway">Becomes GATEWAY_URL.</param>
    /// <param name="program">A program on PATH.</param>
    /// <param name="arguments">Its arguments, one each.</param>
    public static async Task<ExampleProcess> RunAsync(Uri gateway, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["GATEWAY_URL"] = gateway.ToString();
        // What the machine sends through a proxy is no business of a loopback address.
        start.Environment["NO_PROXY"] = start.Environment["no_proxy"] = "*";
        // The repository stays as it was checked out, and text is UTF-8 in any locale.
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        start.Environment["PYTHONUTF8"] = "1";

        using var process = Start(start);
        process.StandardInput.Close();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            // Both at once: a pipe that nobody reads would stop the process.
            var output = process.StandardOutput.ReadToEndAsync(patience.Token);
            var errors = process.StandardError.ReadToEndAsync(patience.Token);
            await Task.WhenAll(output, errors, process.WaitForExitAsync(patience.Token));
            return new ExampleProcess(process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(
                $"{program} {string.Join(' ', arguments)} had not ended after {Patience.TotalSeconds} seconds.");
        }
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new InvalidOperationException(
                $"The examples need {start.FileName} on PATH: {error.Message}", error);
        }
    }
}
