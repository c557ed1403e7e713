using System.ComponentModel.DataAnnotations;

namespace Gateway.Api.Configuration;

/// <summary>The settings of an issuer of tokens.</summary>
internal sealed class IssuerOptions
{
    /// <summary>What its tokens have as <c>iss</c>, to the letter.</summary>
    public string? Issuer { get; set; }

    /// <summary>What its tokens have as <c>aud</c>, or among it, to the letter.</summary>
    public string? Audience { get; set; }

    /// <summary>The algorithms that its tokens may be signed by; <c>RS256</c> where none is set.</summary>
    public string[] Algorithms { get; init; } = [];

    /// <summary>Where its keys are: an https URL, or the path of a file.</summary>
    public string? Jwks { get; set; }

    /// <summary>How far its clock and ours may be apart, in seconds.</summary>
    [Range(0, 300)]
    public int ClockSkewSeconds { get; set; } = 30;

    /// <summary>How often the URL is asked for the keys, in seconds; a file is looked at more often.</summary>
    [Range(1, 86_400)]
    public int RefreshSeconds { get; set; } = 300;
}
