namespace Gateway.Client;

/// <summary>What is sent, as often as it takes.</summary>
/// <param name="Method">How.</param>
/// <param name="Path">Where, from the gateway's address.</param>
/// <param name="TimeoutMs">What the gateway may take for it.</param>
/// <param name="FirstAttempt">Which attempt the first is.</param>
/// <param name="Writes">Whether it may write.</param>
/// <param name="Body">Its JSON, for the attempt of that number; null where it has none.</param>
internal sealed record Call(
    HttpMethod Method, string Path, int TimeoutMs, int FirstAttempt, bool Writes, Func<int, byte[]>? Body);
