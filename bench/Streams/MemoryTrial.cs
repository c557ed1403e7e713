using System.Globalization;
using System.Net.Sockets;

namespace Gateway.Streams;

/// <summary>Represents a request that must not take memory, or not for long.</summary>
/// <param name="Name">The name in the results.</param>
/// <param name="Body">The request's body.</param>
/// <param name="Accept">The requested format.</param>
/// <param name="Status">The HTTP status of a right answer.</param>
/// <param name="End">The beginning of a right answer's last line.</param>
/// <param name="Bytes">The minimum length of a right answer in bytes.</param>
/// <param name="MayHold">Whether it may take more memory than the goal for a moment.</param>
internal sealed record MemoryTrial(
    string Name, string Body, string Accept, int Status, string End, long Bytes, bool MayHold)
{
    /// <summary>Maximum memory in MiB that a request may take meanwhile, or leave in use.</summary>
    public const double Goal = 32;

    private const long Mebibyte = 1024 * 1024;

    private const int LargeValue = 100;

    /// <summary>Maximum time until held memory must be free again.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    /// <summary>Returns a stream of rows of 1 KB, and one of rows of 1 MB.</summary>
    public static IReadOnlyList<MemoryTrial> Streams(int megabytes) =>
    [
        Stream("rows of 1 KB", megabytes * 1024L, 1024),
        Stream("rows of 1 MB", megabytes, Mebibyte),
    ];

    /// <summary>Returns requests for one large value. A stream can pass it on; a held answer can't have it.</summary>
    public static IReadOnlyList<MemoryTrial> LargeValues()
    {
        // 32 bytes of UTF-8. JSON has to escape some of the characters, and some have more than one byte.
        const string Unit = """0123456789 "quoted" \\ gr\u00fc\u00df\u20ac\n""";
        var body = StreamRows.GatewayBody($"SELECT repeat(E'{Unit}', {LargeValue * Mebibyte / 32}) AS text");
        return
        [
            new(
                $"a value of {LargeValue} MB in NDJSON", body, StreamedAnswer.Ndjson,
                200, """{"end":{"rowCount":1,""", LargeValue * Mebibyte, MayHold: true),
            new(
                $"a value of {LargeValue} MB refused as JSON", body, "application/json",
                422, "{", 1, MayHold: true),
        ];
    }

    /// <summary>Returns shorter streams of the same kind, after which memory that is needed once is in use.</summary>
    public static IReadOnlyList<MemoryTrial> WarmUps(int megabytes) => Streams(megabytes / 8);

    /// <summary>Sends the request, and measures the gateway's memory during it and after it.</summary>
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

    /// <summary>Sends the request.</summary>
    /// <returns>The fault of the answer; null if the answer is right.</returns>
    public async Task<string?> RunAsync(ServerProcess gateway, CancellationToken ct)
    {
        try
        {
            var answer = await StreamedAnswer.ReadAsync(gateway.Port, "/v1/query", Accept, Body, ct);
            var isRight = answer.Status == Status
                && answer.Bytes >= Bytes
                && answer.End.StartsWith(End, StringComparison.Ordinal)
                && (Status == 200 || answer.End.Contains("\"result_too_large\"", StringComparison.Ordinal));
            var end = answer.End[..Math.Min(answer.End.Length, 200)];
            return isRight
                ? null
                : string.Create(CultureInfo.InvariantCulture, $"{answer.Status}, {answer.Bytes} bytes, {end}");
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            return error.Message;
        }
    }

    private static MemoryTrial Stream(string name, long rows, long length) => new(
        name,
        // In the SELECT list, PostgreSQL does not store the whole series before it sends the first row.
        StreamRows.GatewayBody(
            $"SELECT generate_series(1, {rows}) AS id, repeat('0123456789abcdef', {length / 16}) AS text"),
        StreamedAnswer.Ndjson, 200, $$$"""{"end":{"rowCount":{{{rows}}},""", rows * length, MayHold: false);
}

/// <summary>
/// Represents a request's effect on the gateway's resident memory, in MiB; NaN if that can't be read.
/// </summary>
/// <param name="Before">The memory before the request.</param>
/// <param name="Growth">The maximum growth during the request.</param>
/// <param name="Left">The growth that was left soon after it.</param>
/// <param name="Fault">The fault of the answer; null if the answer was right.</param>
internal sealed record MemorySample(double Before, double Growth, double Left, string? Fault);
