using System.Globalization;
using System.Net.Sockets;

namespace Gateway.Streams;

/// <summary>A request that must not take memory, or not for long.</summary>
/// <param name="Name">For people.</param>
/// <param name="Body">The request.</param>
/// <param name="Accept">The form asked for.</param>
/// <param name="Status">Of a right answer.</param>
/// <param name="End">How a right answer's last line begins.</param>
/// <param name="Bytes">The fewest that a right answer has.</param>
/// <param name="MayHold">Whether it may take more than the goal for a moment.</param>
internal sealed record MemoryTrial(
    string Name, string Body, string Accept, int Status, string End, long Bytes, bool MayHold)
{
    /// <summary>What may come and go, and what may stay, in MiB.</summary>
    public const double Goal = 32;

    private const long Mebibyte = 1024 * 1024;

    private const int LargeValue = 100;

    /// <summary>What is held must be gone by then.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    /// <summary>Rows of 1 KB and rows of 1 MB.</summary>
    public static IReadOnlyList<MemoryTrial> Streams(int megabytes) =>
    [
        Stream("rows of 1 KB", megabytes * 1024L, 1024),
        Stream("rows of 1 MB", megabytes, Mebibyte),
    ];

    /// <summary>One value, which a stream passes on and an answer that is held can't have.</summary>
    public static IReadOnlyList<MemoryTrial> LargeValues()
    {
        // 32 bytes of UTF-8. Some of it JSON has to escape, some characters are more than a byte.
        const string Unit = """0123456789 "quoted" \\ gr\u00fc\u00df\u20ac\n""";
        var body = StreamRows.GatewayBody($"SELECT repeat(E'{Unit}', {LargeValue * Mebibyte / 32}) AS text");
        return
        [
            new($"a value of {LargeValue} MB in NDJSON", body, StreamRows.Ndjson, 200, """{"end":{"rowCount":1,""", LargeValue * Mebibyte, MayHold: true),
            new($"a value of {LargeValue} MB refused as JSON", body, "application/json", 422, "{", 1, MayHold: true),
        ];
    }

    /// <summary>The same stream, shorter: what it needs once is there after it.</summary>
    public static IReadOnlyList<MemoryTrial> WarmUps(int megabytes) => Streams(megabytes / 8);

    public async Task<MemorySample> MeasureAsync(ServerProcess gateway, CancellationToken ct)
    {
        var process = gateway.ProcessId;
        var before = ResidentMemory.Of(process);
        ResidentMemory.ForgetPeak(process);
        var fault = await RunAsync(gateway, ct);
        var peak = ResidentMemory.PeakOf(process);

        var after = ResidentMemory.Of(process);
        for (var waited = TimeSpan.Zero; waited < Soon && after > before + Goal; waited += TimeSpan.FromSeconds(0.1))
        {
            await Task.Delay(TimeSpan.FromSeconds(0.1), ct);
            after = ResidentMemory.Of(process);
        }
        return new MemorySample(before, Math.Max(0, peak - before), Math.Max(0, after - before), fault);
    }

    /// <returns>What is wrong with the answer; null where it is right.</returns>
    public async Task<string?> RunAsync(ServerProcess gateway, CancellationToken ct)
    {
        try
        {
            var answer = await StreamedAnswerReader.ReadAsync(gateway.Port, "/v1/query", Accept, Body, ct);
            var isRight = answer.Status == Status && answer.Bytes >= Bytes && answer.End.StartsWith(End, StringComparison.Ordinal)
                && (Status == 200 || answer.End.Contains("\"result_too_large\"", StringComparison.Ordinal));
            return isRight
                ? null
                : string.Create(CultureInfo.InvariantCulture, $"{answer.Status}, {answer.Bytes} bytes, {answer.End[..Math.Min(answer.End.Length, 200)]}");
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            return error.Message;
        }
    }

    private static MemoryTrial Stream(string name, long rows, long length) => new(
        name,
        // In the list of SELECT it is not put aside before the first row is sent.
        StreamRows.GatewayBody($"SELECT generate_series(1, {rows}) AS id, repeat('0123456789abcdef', {length / 16}) AS text"),
        StreamRows.Ndjson, 200, $$$"""{"end":{"rowCount":{{{rows}}},""", rows * length, MayHold: false);
}

/// <summary>What a request did to the gateway's resident memory, in MiB; NaN where that can't be seen.</summary>
/// <param name="Before">What there was.</param>
/// <param name="Growth">The most that there was besides, at any moment.</param>
/// <param name="Left">What there was besides soon after.</param>
/// <param name="Fault">What was wrong with the answer; null where it was right.</param>
internal sealed record MemorySample(double Before, double Growth, double Left, string? Fault);
