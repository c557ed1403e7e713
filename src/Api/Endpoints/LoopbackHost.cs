using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Microsoft.AspNetCore.Connections.Features;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Refuses a request whose <c>Host</c> is no loopback name, while no caller is configured: a web page of another site
/// can make a browser on this machine send requests here, by a name of its own that it has resolve to 127.0.0.1 (DNS
/// rebinding). The browser says that name in <c>Host</c>, and no page can change it.
/// </summary>
/// <param name="next">What comes after it.</param>
internal sealed class LoopbackHost(RequestDelegate next)
{
    /// <summary>No one can register a name under it, and it stands for loopback (RFC 6761, 6.3).</summary>
    private const string Localhost = "localhost";

    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");

    // Most requests name the same.
    private string? _lastServed;

    public Task InvokeAsync(HttpContext http) => MayBeServed(http)
        ? next(http)
        : ProblemMiddleware.AnswerAsync(http, Failure.Invalid([new RequestFault(
            "",
            "No caller is configured, so the gateway serves this machine only, and the request's Host is no loopback name: "
            + "send it to localhost, 127.0.0.1 or [::1], or configure callers (docs/callers.md) to serve other names.")]));

    /// <summary>
    /// Whether a Host header names this machine only: <c>localhost</c> or a name under it, 127.0.0.0/8 or ::1.
    /// </summary>
    /// <param name="host">As it was sent, with or without a port.</param>
    public static bool IsLoopback(string host)
    {
        var end = host.StartsWith('[') ? host.IndexOf(']') + 1 : host.IndexOf(':');
        var name = end < 0 ? host : host[..end];
        return name.Length > 0 && (end < 0 || IsPort(host.AsSpan(end))) && (IsLoopbackAddress(name) || IsLocalhost(name));
    }

    private static bool IsPort(ReadOnlySpan<char> port) =>
        port.IsEmpty || (port[0] == ':' && port.Length <= 6 && !port[1..].ContainsAnyExceptInRange('0', '9'));

    /// <summary>
    /// In its usual form only: not each program reads 127.1, 0177.0.0.1 or 2130706433 as the same address.
    /// </summary>
    private static bool IsLoopbackAddress(string name)
    {
        var isBracketed = name[0] == '[';
        return IPAddress.TryParse(isBracketed ? name[1..^1] : name, out var address) && IPAddress.IsLoopback(address)
            && (isBracketed ? address.AddressFamily == AddressFamily.InterNetworkV6 : address.ToString() == name);
    }

    private static bool IsLocalhost(string name)
    {
        // A dot at its end marks a name that is whole already.
        var whole = name.AsSpan(0, name.EndsWith('.') ? name.Length - 1 : name.Length);
        return !whole.ContainsAnyExcept(NameCharacters)
            && (whole.Equals(Localhost, StringComparison.OrdinalIgnoreCase)
                || whole.EndsWith($".{Localhost}", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>
    /// No browser leaves the header out, as HTTP/1.0 allows and load balancers' checks do; and none comes by a Unix
    /// socket, where people write any name.
    /// </summary>
    private bool MayBeServed(HttpContext http)
    {
        var host = http.Request.Headers.Host;
        if (host is [{ } one] && (one == _lastServed || IsLoopback(one)))
        {
            _lastServed = one;
            return true;
        }
        return host.Count == 0 || http.Features.Get<IConnectionSocketFeature>()?.Socket.LocalEndPoint is UnixDomainSocketEndPoint;
    }
}
