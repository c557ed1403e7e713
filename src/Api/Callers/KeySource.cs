using System.Buffers;
using System.Text;
using Microsoft.IdentityModel.Protocols;

namespace Gateway.Api.Callers;

/// <summary>Represents the place where an issuer's keys are read.</summary>
/// <param name="Address">The URL or the path.</param>
/// <param name="Period">The time between two readings.</param>
internal abstract record KeySource(string Address, TimeSpan Period) : IDocumentRetriever
{
    /// <summary>Maximum size of a document in bytes: that of hundreds of keys.</summary>
    protected const int MaxDocumentBytes = 256 << 10;

    /// <summary>Reads the document.</summary>
    /// <exception cref="IOException">The document can't be read.</exception>
    /// <exception cref="HttpRequestException">The document can't be read, or is too large.</exception>
    /// <exception cref="OperationCanceledException">The server did not answer in time.</exception>
    /// <exception cref="FormatException">The document is too large.</exception>
    public abstract Task<string> GetDocumentAsync(string address, CancellationToken cancel);
}

/// <summary>
/// Represents a mounted file. Its content is read each time: neither its time nor its length need change when a mount
/// swaps the link that leads to it.
/// </summary>
internal sealed record KeyFile(string Path, TimeSpan Period) : KeySource(Path, Period)
{
    public override async Task<string> GetDocumentAsync(string address, CancellationToken cancel)
    {
        await using var file = new FileStream(
            address, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = ArrayPool<byte>.Shared.Rent(MaxDocumentBytes + 1);
        try
        {
            var length = await file.ReadAtLeastAsync(bytes, MaxDocumentBytes + 1, throwOnEndOfStream: false, cancel);
            return length <= MaxDocumentBytes
                ? Encoding.UTF8.GetString(bytes, 0, length)
                : throw new FormatException($"it is larger than {MaxDocumentBytes} bytes");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}

/// <summary>Represents the URL of an issuer's keys.</summary>
internal sealed record KeyUrl(Uri Url, TimeSpan Period) : KeySource(Url.AbsoluteUri, Period)
{
    // The server at the URL decides which tokens are valid, so redirects are not followed. HttpDocumentRetriever could
    // also read it, but it retries at once, and its messages hide the status.
    private static readonly HttpClient Http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        MaxResponseContentBufferSize = MaxDocumentBytes,
        Timeout = TimeSpan.FromSeconds(5),
    };

    public override Task<string> GetDocumentAsync(string address, CancellationToken cancel) =>
        Http.GetStringAsync(address, cancel);
}
