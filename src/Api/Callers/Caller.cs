using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>Who sends a request, and what it may do on which connection.</summary>
internal sealed class Caller
{
    public const string LoopbackName = "loopback";

    /// <summary>Null where it may do everything.</summary>
    private readonly IReadOnlyDictionary<string, Access>? _rights;

    /// <param name="name">What its activities and its lines in the log go by.</param>
    /// <param name="rights">What it may do on each connection that it may use.</param>
    public Caller(string name, IReadOnlyDictionary<string, Access> rights) => (Name, _rights) = (name, rights);

    private Caller(string name) => Name = name;

    /// <summary>Whoever reaches a loopback address while no caller is configured: one, as far as the gateway can tell.</summary>
    public static Caller Loopback { get; } = new(LoopbackName);

    public string Name { get; }

    /// <summary>Null where it may send as much as it likes.</summary>
    public CallerLimits? Limits { get; init; }

    /// <summary>Whether it may write there, for a request that does not say whether it will.</summary>
    public bool MayWrite(string connection) =>
        _rights is null || (_rights.TryGetValue(connection, out var granted) && granted == Access.ReadWrite);

    /// <summary>Refuses what it may not do.</summary>
    /// <exception cref="Failure">
    /// <c>forbidden</c>, for a connection that does not exist too: which there are is told to those who may use them.
    /// </exception>
    public void Require(string connection, Access access)
    {
        if (_rights is null)
            return;
        if (!_rights.TryGetValue(connection, out var granted))
        {
            throw new Failure(
                ProblemCode.Forbidden,
                $"Caller \"{Name}\" may not use connection \"{connection}\"; "
                + $"Gateway__Callers__{Name}__Connections__CONNECTION grants it read or write.");
        }
        if (granted == Access.ReadOnly && access == Access.ReadWrite)
        {
            throw new Failure(
                ProblemCode.Forbidden,
                $"Caller \"{Name}\" may read on connection \"{connection}\", and no more "
                + $"(Gateway__Callers__{Name}__Connections__{connection}).");
        }
    }
}
