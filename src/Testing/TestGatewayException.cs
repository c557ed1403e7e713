namespace Gateway.Testing;

/// <summary>Thrown when a gateway can't be started for a test. The message has the reason.</summary>
public sealed class TestGatewayException(string message, Exception? inner = null) : Exception(message, inner);
