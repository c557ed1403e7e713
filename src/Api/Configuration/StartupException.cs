namespace Gateway.Api.Configuration;

/// <summary>Thrown when the gateway can't start. Each fault is one sentence with the setting and the fix.</summary>
internal sealed class StartupException(IReadOnlyList<string> faults, Exception? cause = null)
    : Exception(string.Join(Environment.NewLine, faults), cause)
{
    public StartupException(string fault, Exception? cause = null)
        : this([fault], cause)
    {
    }
}
