using System.IO.Compression;
using System.Text;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>What the tests of slow readers share.</summary>
internal static class SlowReader
{
    /// <summary>More data than socket buffers hold, and hard to compress.</summary>
    public const string Endless =
        "SELECT generate_series(1, 1000000000) AS g, md5(random()::text) || md5(random()::text) AS x";

    /// <summary>Starts a gateway with one session.</summary>
    public static Task<RunningGateway> StartAsync(GatewayFixture fixture, Backends backends) =>
        RunningGateway.StartAsync($"--DSN={backends.Named(fixture.Dsn)}", "--Gateway:Connections:default:PoolSize=1");

    /// <summary>Reads an answer to its end, or to where it was cut off.</summary>
    public static async Task<(string Text, bool Whole)> ReadAsync(HttpResponseMessage answer, string? encoding)
    {
        await using var body = await answer.Content.ReadAsStreamAsync();
        await using var plain = encoding switch
        {
            "gzip" => new GZipStream(body, CompressionMode.Decompress),
            "br" => new BrotliStream(body, CompressionMode.Decompress),
            _ => body,
        };
        using var held = new MemoryStream();
        var whole = true;
        try
        {
            await plain.CopyToAsync(held);
        }
        catch (Exception error) when (
            error is IOException or InvalidDataException or HttpRequestException or InvalidOperationException)
        {
            whole = false;
        }
        return (Encoding.UTF8.GetString(held.GetBuffer(), 0, (int)held.Length), whole);
    }

    /// <summary>
    /// Asserts for a while that the backend is blocked: every buffer on the way has some room, and fills slowly.
    /// </summary>
    public static Task<long> HeldUpAsync(Backends backends, int count)
    {
        var looks = 0;
        return Poll.ReadAsync(
            () => CountHeldUpAsync(backends),
            heldUp =>
            {
                looks = heldUp == count ? looks + 1 : 0;
                return looks == 30;
            },
            what: $"{count} backends are held up");
    }

    private static Task<long> CountHeldUpAsync(Backends backends) => backends.ReadAsync<long>(
        "SELECT count(*) FROM pg_stat_activity "
        + $"WHERE starts_with(application_name, '{backends.Application}') AND wait_event = 'ClientWrite'");
}
