using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>Represents an authenticated client, and its rights on each connection.</summary>
internal sealed class Caller
{
    public const string LoopbackName = "loopback";

    /// <summary>The right on each connection; null if all is allowed.</summary>
    private readonly IReadOnlyDictionary<string, Access>? _rights;

    /// <param name="name">Its name, which its activities belong to, and which its log lines show.</param>
    /// <param name="rights">Its right on each connection that it may use.</param>
    public Caller(string name, IReadOnlyDictionary<string, Access> rights) => (Name, _rights) = (name, rights);

    private Caller(string name) => Name = name;

    /// <summary>
    /// Gets the caller of all requests while no caller is configured: the gateway then serves its own machine only, and
    /// can't tell its clients apart.
    /// </summary>
    public static Caller Loopback { get; } = new(LoopbackName);

    public string Name { get; }

    /// <summary>Gets the limits; null if there are none.</summary>
    public CallerLimits? Limits { get; init; }

    /// <summary>
    /// Returns whether the caller may write on a connection, for a request that does not say whether it writes.
    /// </summary>
    public bool MayWrite(string connection) =>
        _rights is null || (_rights.TryGetValue(connection, out var granted) && granted == Access.ReadWrite);

    /// <summary>Checks the caller's right on a connection.</summary>
    /// <exception cref="Failure">
    /// <c>forbidden</c>, also for a connection that does not exist: only callers with rights on a connection may learn
    /// that it exists.
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
