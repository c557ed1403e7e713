namespace Gateway.Api.Configuration;

/// <summary>The optional contents of traces.</summary>
internal sealed class TracingOptions
{
    /// <summary>
    /// Gets or sets whether a span contains the SQL of its statements, with the literals in it. Spans never contain
    /// parameters.
    /// </summary>
    public bool SqlText { get; set; }
}
