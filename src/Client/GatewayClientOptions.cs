using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.Extensions.Options;

namespace Gateway.Client;

/// <summary>Where the gateway is, and how it is called.</summary>
public sealed class GatewayClientOptions
{
    /// <summary>The gateway's address, up to its <c>/v1</c>; it may have a path.</summary>
    [Required]
    [HttpAddress]
    public Uri? Address { get; set; } = new("http://localhost:8080");

    /// <summary>The key that is sent as <c>Authorization: Bearer</c>; none where null.</summary>
    [RegularExpression("[!-~]+", ErrorMessage = "ApiKey has a character that no header can carry, such as a line break at its end.")]
    public string? ApiKey { get; set; }

    /// <summary>How often a request is sent at most, until it is answered.</summary>
    [Range(1, 1000)]
    public int Tries { get; set; } = 5;

    /// <summary>The budget that the gateway gives to a request without <c>TimeoutMs</c>: its <c>Gateway__DefaultTimeoutMs</c>.</summary>
    [Range(1, 300_000)]
    public int DefaultTimeoutMs { get; set; } = 15_000;

    /// <summary>
    /// How much longer than a request's budget its answer is waited for. What the gateway is slow to say must still be heard, or a
    /// try that succeeded looks like one that failed.
    /// </summary>
    [Range(1, 3_600_000)]
    public int AnswerMarginMs { get; set; } = 10_000;

    /// <summary>
    /// How rows are read and parameters written. Members have <c>snake_case</c> names by default; for a trimmed program, or one that is
    /// compiled ahead, put its own context first: <c>Json.TypeInfoResolverChain.Insert(0, MyRows.Default)</c>.
    /// </summary>
    [Required]
    public JsonSerializerOptions Json { get; set; } = RowJson.CreateOptions();

    /// <summary>Every fault at once.</summary>
    internal GatewayClientOptions Checked()
    {
        var outcome = new GatewayClientOptionsValidator().Validate(null, this);
        return outcome.Failed
            ? throw new OptionsValidationException(nameof(GatewayClientOptions), typeof(GatewayClientOptions), outcome.Failures)
            : this;
    }
}

[OptionsValidator]
internal sealed partial class GatewayClientOptionsValidator : IValidateOptions<GatewayClientOptions>;

[AttributeUsage(AttributeTargets.Property)]
internal sealed class HttpAddressAttribute() : ValidationAttribute("{0} must be an absolute address of http or https, without a query.")
{
    public override bool IsValid(object? value) =>
        value is null or Uri { IsAbsoluteUri: true, Scheme: "http" or "https", Query: "", Fragment: "", UserInfo: "" };
}
