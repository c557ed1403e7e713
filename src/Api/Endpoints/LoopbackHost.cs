using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Microsoft.AspNetCore.Connections.Features;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Refuses a request whose <c>Host</c> is not a loopback name, while no caller is configured. Otherwise a web page of
/// another site could make a browser on this machine send requests here, by a name of its own that resolves to
/// 127.0.0.1 (DNS rebinding). The browser sends that name in <c>Host</c>, and no page can change it.
/// </summary>
/// <param name="next">The next middleware.</param>
internal sealed class LoopbackHost(RequestDelegate next)
{
    /// <summary>
    /// The top-level name for loopback, under which no name can be registered (RFC 6761, section 6.3).
    /// </summary>
    private const string Localhost = "localhost";

    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");

    // Most requests have the same host.
    private string? _lastServed;

    public Task InvokeAsync(HttpContext http) => MayBeServed(http)
        ? next(http)
        : ProblemMiddleware.AnswerAsync(http, Failure.Invalid([new RequestFault(
            "",
            "No caller is configured, so the gateway serves this machine only, and the request's Host is not a "
            + "loopback name: send it to localhost, 127.0.0.1 or [::1], "
            + "or configure callers (docs/callers.md) to serve other names.")]));

    /// <summary>
    /// Returns whether a Host header names this machine only: <c>localhost</c> or a name under it, 127.0.0.0/8 or ::1.
    /// </summary>
    /// <param name="host">The header as it was sent, with or without a port.</param>
    public static bool IsLoopback(string host)
    {
        var end = host.StartsWith('[') ? host.IndexOf(']') + 1 : host.IndexOf(':');
        var name = end < 0 ? host : host[..end];
        return name.Length > 0
            && (end < 0 || IsPort(host.AsSpan(end)))
            && (IsLoopbackAddress(name) || IsLocalhost(name));
    }

    private static bool IsPort(ReadOnlySpan<char> port) =>
        port.IsEmpty || (port[0] == ':' && port.Length <= 6 && !port[1..].ContainsAnyExceptInRange('0', '9'));

    /// <summary>
    /// Returns whether a name is a loopback address in its usual form. Programs disagree on the meaning of 127.1,
    /// 0177.0.0.1 and 2130706433.
    /// </summary>
    private static bool IsLoopbackAddress(string name)
    {
        var isBracketed = name[0] == '[';
        return IPAddress.TryParse(isBracketed ? name[1..^1] : name, out var address) && IPAddress.IsLoopback(address)
            && (isBracketed ? address.AddressFamily == AddressFamily.InterNetworkV6 : address.ToString() == name);
    }

    private static bool IsLocalhost(string name)
    {
        // A dot at the end marks an absolute name.
        var whole = name.AsSpan(0, name.EndsWith('.') ? name.Length - 1 : name.Length);
        return !whole.ContainsAnyExcept(NameCharacters)
            && (whole.Equals(Localhost, StringComparison.OrdinalIgnoreCase)
                || whole.EndsWith($".{Localhost}", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>
    /// Returns whether the request may be served. It may have no Host header, as HTTP/1.0 allows: load balancers'
    /// checks have none, and browsers always send one. It may come from a Unix socket, which browsers don't use, and
    /// where clients send any name.
    /// </summary>
    private bool MayBeServed(HttpContext http)
    {
        var host = http.Request.Headers.Host;
        if (host is [{ } one] && (one == _lastServed || IsLoopback(one)))
        {
            _lastServed = one;
            return true;
        }
        return host.Count == 0
            || http.Features.Get<IConnectionSocketFeature>()?.Socket.LocalEndPoint is UnixDomainSocketEndPoint;
    }
}
