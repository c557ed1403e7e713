using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.Extensions.Options;

namespace Gateway.Client;

/// <summary>The gateway's address, and how the client calls it.</summary>
public sealed class GatewayClientOptions
{
    /// <summary>Gets or sets the gateway's address, without <c>/v1</c>; it may have a path.</summary>
    [Required]
    [HttpAddress]
    public Uri? Address { get; set; } = new("http://localhost:8080");

    /// <summary>Gets or sets the key that is sent as <c>Authorization: Bearer</c>; null for none.</summary>
    [RegularExpression(
        "[!-~]+",
        ErrorMessage = "ApiKey has a character that no header can carry, such as a line break at its end.")]
    public string? ApiKey { get; set; }

    /// <summary>
    /// Gets or sets the maximum number of times that a request is sent. While an earlier attempt is still running
    /// (<c>activity_in_flight</c>), sending it does not count, for up to 330 seconds.
    /// </summary>
    [Range(1, 1000)]
    public int Tries { get; set; } = 5;

    /// <summary>
    /// Gets or sets the gateway's timeout for requests without <c>TimeoutMs</c>, its setting
    /// <c>Gateway__DefaultTimeoutMs</c>, in milliseconds.
    /// </summary>
    [Range(1, 300_000)]
    public int DefaultTimeoutMs { get; set; } = 15_000;

    /// <summary>
    /// Gets or sets how much longer than a request's timeout the client waits for the answer, in milliseconds. With too
    /// short a margin a late answer is lost, and a successful try looks like a failed one.
    /// </summary>
    [Range(1, 3_600_000)]
    public int AnswerMarginMs { get; set; } = 10_000;

    /// <summary>
    /// Gets or sets the options for reading rows and writing parameters. By default members have <c>snake_case</c>
    /// names. For a trimmed or ahead-of-time compiled program, insert its own context first:
    /// <c>Json.TypeInfoResolverChain.Insert(0, MyRows.Default)</c>.
    /// </summary>
    [Required]
    public JsonSerializerOptions Json { get; set; } = RowJson.CreateOptions();

    /// <summary>Validates the options. Throws with all faults together.</summary>
    internal GatewayClientOptions Checked()
    {
        var outcome = new GatewayClientOptionsValidator().Validate(null, this);
        return outcome.Failed
            ? throw new OptionsValidationException(
                nameof(GatewayClientOptions), typeof(GatewayClientOptions), outcome.Failures)
            : this;
    }
}

[OptionsValidator]
internal sealed partial class GatewayClientOptionsValidator : IValidateOptions<GatewayClientOptions>;

[AttributeUsage(AttributeTargets.Property)]
internal sealed class HttpAddressAttribute()
    : ValidationAttribute("{0} must be an absolute address of http or https, without a query.")
{
    public override bool IsValid(object? value) =>
        value is null or Uri { IsAbsoluteUri: true, Scheme: "http" or "https", Query: "", Fragment: "", UserInfo: "" };
}
