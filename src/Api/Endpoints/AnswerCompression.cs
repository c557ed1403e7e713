using System.IO.Compression;
using Microsoft.AspNetCore.ResponseCompression;
using Microsoft.Extensions.Options;

namespace Gateway.Api.Endpoints;

/// <summary>Compresses answers if the caller asks for it, and they are large enough.</summary>
internal static class AnswerCompression
{
    public static void AddAnswerCompression(this IServiceCollection services)
    {
        services.AddResponseCompression(options =>
        {
            // Compression over HTTPS allows the BREACH attack if an answer contains both a secret and an attacker's
            // text, and a browser sends the credential by itself. The gateway's credentials are not cookies.
            options.EnableForHttps = true;
            options.MimeTypes =
            [
                .. ResponseCompressionDefaults.MimeTypes, AnswerForms.Ndjson, AnswerForms.Csv, "application/yaml",
            ];
        });
        services.Configure<BrotliCompressionProviderOptions>(options => options.Level = CompressionLevel.Fastest);
        services.Configure<GzipCompressionProviderOptions>(options => options.Level = CompressionLevel.Fastest);
        services.AddSingleton<IResponseCompressionProvider, WorthwhileCompression>();
    }

    /// <summary>
    /// Compresses large answers only: most clients always ask for compression, and most answers are one row.
    /// </summary>
    private sealed class WorthwhileCompression(IServiceProvider services, IOptions<ResponseCompressionOptions> options)
        : ResponseCompressionProvider(services, options)
    {
        private const int WorthCompressing = 1024;

        public override bool ShouldCompressResponse(HttpContext context) =>
            !(context.Response.ContentLength < WorthCompressing) && base.ShouldCompressResponse(context);
    }
}
