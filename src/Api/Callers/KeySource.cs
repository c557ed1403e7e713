using System.Buffers;

namespace Gateway.Api.Callers;

/// <summary>Reads an issuer's key document.</summary>
/// <param name="period">The interval between reads.</param>
internal abstract class KeySource(TimeSpan period)
{
    /// <summary>
    /// The maximum size of the document, in bytes. It has room for hundreds of keys; a larger document is no key set.
    /// </summary>
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
/// Reads a mounted file. It is read again in each period, since neither its time nor its length need change when a
/// mount replaces the symbolic link to it; the file is small.
/// </summary>
internal sealed class KeyFile(string path, TimeSpan period) : KeySource(period)
{
    public override async Task<byte[]> ReadAsync(CancellationToken ending)
    {
        await using var file =
            new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return await ReadAsync(file, ending);
    }
}

/// <summary>Reads a URL of the issuer.</summary>
internal sealed class KeyUrl(Uri url, TimeSpan period) : KeySource(period)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // The server at the URL decides which tokens the gateway trusts, so redirects are not followed.
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
