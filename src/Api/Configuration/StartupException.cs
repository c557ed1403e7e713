namespace Gateway.Api.Configuration;

/// <summary>Why the gateway can't start: a sentence each, naming the setting and the cure.</summary>
internal sealed class StartupException(IReadOnlyList<string> faults, Exception? cause = null)
    : Exception(string.Join(Environment.NewLine, faults), cause)
{
    public StartupException(string fault, Exception? cause = null)
        : this([fault], cause)
    {
    }
}
