using System.ComponentModel.DataAnnotations;

namespace Gateway.Api.Configuration;

/// <summary>The settings of an issuer of tokens.</summary>
internal sealed class IssuerOptions
{
    /// <summary>Gets or sets the exact <c>iss</c> of the issuer's tokens.</summary>
    public string? Issuer { get; set; }

    /// <summary>Gets or sets the exact text that the <c>aud</c> of its tokens is or contains.</summary>
    public string? Audience { get; set; }

    /// <summary>Gets the algorithms that its tokens may be signed with. The default is <c>RS256</c>.</summary>
    public string[] Algorithms { get; init; } = [];

    /// <summary>Gets or sets the location of its keys: an https URL or the path of a file.</summary>
    public string? Jwks { get; set; }

    /// <summary>Gets or sets the tolerance between its clock and the gateway's, in seconds.</summary>
    [Range(0, 300)]
    public int ClockSkewSeconds { get; set; } = 30;

    /// <summary>Gets or sets the interval at which the URL is read, in seconds. A file is read more often.</summary>
    [Range(1, 86_400)]
    public int RefreshSeconds { get; set; } = 300;
}
