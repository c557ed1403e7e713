using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Gateway.Tests;

/// <summary>Runs a program that uses the gateway, or runs beside it, as a separate process.</summary>
internal sealed class ClientProcess : IAsyncDisposable
{
    /// <summary>
    /// The arguments of <c>timeout</c> for a program that would run on if the tests were killed: it ends after 20
    /// minutes.
    /// </summary>
    public static readonly string[] Bound = ["--kill-after=10", "1200"];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly List<(string Text, TaskCompletionSource Found)> _awaited = [];
    private readonly Process _process;

    /// <summary>Starts a program.</summary>
    /// <param name="folder">Its working folder.</param>
    /// <param name="program">The name of a program on PATH.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Variables in addition to those of the tests.</param>
    public ClientProcess(
        string folder, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        // Requests to loopback must not use the machine's proxy.
        start.Environment["NO_PROXY"] = start.Environment["no_proxy"] = "*";
        // The program must leave no files in the repository, and use UTF-8 in any locale.
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        start.Environment["PYTHONUTF8"] = "1";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;

        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_errors, line.Data);
        Start(start);
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public string Output => Read(_output);

    public string Errors => Read(_errors);

    /// <summary>Waits until the program has printed a text, on either stream.</summary>
    /// <exception cref="TimeoutException">It has not, within a minute.</exception>
    public async Task WaitForAsync(string text)
    {
        var found = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_awaited)
            _awaited.Add((text, found));
        Look();
        try
        {
            await found.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException error)
        {
            throw new TimeoutException($"\"{text}\" was not printed.\n{Output}\n{Errors}", error);
        }
    }

    /// <summary>Waits for the program's end, and kills it if that takes too long.</summary>
    /// <param name="patience">The time that it may take; a minute by default.</param>
    /// <param name="cancellation">Kills it earlier; the test's token by default.</param>
    /// <returns>Its exit code.</returns>
    public async Task<int> WaitForExitAsync(TimeSpan? patience = null, CancellationToken? cancellation = null)
    {
        try
        {
            await _process.WaitForExitAsync(cancellation ?? TestContext.Current.CancellationToken)
                .WaitAsync(patience ?? Patience);
            return _process.ExitCode;
        }
        catch (Exception error) when (error is TimeoutException or OperationCanceledException)
        {
            await KillAsync();
            throw new TimeoutException(
                $"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)} had not ended in time.\n{Output}\n{Errors}", error);
        }
    }

    /// <summary>Kills the program with all its child processes.</summary>
    public async Task KillAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }

    private void Start(ProcessStartInfo start)
    {
        try
        {
            _process.Start();
        }
        catch (Win32Exception error)
        {
            throw new InvalidOperationException(
                $"The tests need {start.FileName} on PATH, which .ci/install brings: {error.Message}", error);
        }
    }

    private void Append(StringBuilder text, string? line)
    {
        if (line is null)
            return;
        lock (text)
            text.AppendLine(line);
        Look();
    }

    private void Look()
    {
        lock (_awaited)
        {
            foreach (var (text, found) in _awaited)
            {
                if (Output.Contains(text, StringComparison.Ordinal) || Errors.Contains(text, StringComparison.Ordinal))
                    found.TrySetResult();
            }
            _awaited.RemoveAll(awaited => awaited.Found.Task.IsCompleted);
        }
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }
}
