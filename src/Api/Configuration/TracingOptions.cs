namespace Gateway.Api.Configuration;

/// <summary>What traces hold besides what they always do.</summary>
internal sealed class TracingOptions
{
    /// <summary>Whether a span has its statements' SQL, with the literals in it; parameters are in none.</summary>
    public bool SqlText { get; set; }
}
