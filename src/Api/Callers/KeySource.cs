using System.Buffers;

namespace Gateway.Api.Callers;

/// <summary>Where an issuer's keys are read.</summary>
/// <param name="period">How often.</param>
internal abstract class KeySource(TimeSpan period)
{
    /// <summary>Hundreds of keys; what is larger is something else.</summary>
    protected const int LargestDocument = 256 << 10;

    public TimeSpan Period => period;

    /// <summary>Reads the document.</summary>
    /// <exception cref="IOException">It can't be read.</exception>
    /// <exception cref="HttpRequestException">It can't be read.</exception>
    /// <exception cref="FormatException">It is too large.</exception>
    public abstract Task<byte[]> ReadAsync(CancellationToken ending);

    protected static async Task<byte[]> ReadAsync(Stream stream, CancellationToken ending)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(LargestDocument + 1);
        try
        {
            var length = await stream.ReadAtLeastAsync(bytes, LargestDocument + 1, throwOnEndOfStream: false, ending);
            return length <= LargestDocument
                ? bytes[..length]
                : throw new FormatException($"it is larger than {LargestDocument} bytes");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}

/// <summary>
/// A mounted file, read again and again: it is small, and neither its time nor its length need change when a mount swaps the link
/// that leads to it.
/// </summary>
internal sealed class KeyFile(string path, TimeSpan period) : KeySource(period)
{
    public override async Task<byte[]> ReadAsync(CancellationToken ending)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return await ReadAsync(file, ending);
    }
}

/// <summary>A URL of the issuer's.</summary>
internal sealed class KeyUrl(Uri url, TimeSpan period) : KeySource(period)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // Whoever is at the URL decides whom the gateway believes; so it is that one, and none that it points to.
    private static readonly HttpClient Http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = Patience,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    });

    public override async Task<byte[]> ReadAsync(CancellationToken ending)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ending);
        limit.CancelAfter(Patience);
        try
        {
            using var response = await Http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            response.EnsureSuccessStatusCode();
            await using var body = await response.Content.ReadAsStreamAsync(limit.Token);
            return await ReadAsync(body, limit.Token);
        }
        catch (OperationCanceledException error) when (!ending.IsCancellationRequested)
        {
            throw new HttpRequestException($"no answer within {Patience.TotalSeconds:0} s", error);
        }
    }
}
