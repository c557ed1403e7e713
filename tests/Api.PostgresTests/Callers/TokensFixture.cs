using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>
/// Provides a gateway that trusts two issuers, on a new database, behind a proxy that counts the gateway's round trips.
/// One issuer has keys of all kinds at a URL, the other has a single key in a file.
/// </summary>
public sealed class TokensFixture(GatewayFixture server) : IAsyncLifetime
{
    public const string Issuer = "https://issuer.example";
    public const string NarrowIssuer = "https://narrow.example/";
    public const string Audience = "gateway";

    private readonly string _file = Path.Combine(Path.GetTempPath(), $"gateway-test-keys-{Guid.NewGuid():N}.json");
    private FaultProxy? _proxy;
    private KeyServer? _keys;
    private KeyServer? _elsewhere;
    private RunningGateway? _gateway;

    internal IssuedKey Rsa { get; } = IssuedKey.NewRsa("rsa");
    internal IssuedKey Small { get; } = IssuedKey.NewRsa("small", 1024);
    internal IssuedKey Curve { get; } = IssuedKey.NewCurve("P-256");
    internal IssuedKey LargerCurve { get; } = IssuedKey.NewCurve("P-384", "P-384");
    internal IssuedKey LargestCurve { get; } = IssuedKey.NewCurve("P-521", "P-521");
    internal IssuedKey Narrow { get; } = IssuedKey.NewCurve("narrow");

    /// <summary>Gets a key in the set that is for another purpose: by use, by operations, by algorithm.</summary>
    internal IssuedKey Encrypting { get; } = IssuedKey.NewRsa("enc").As("enc", ("use", "enc"));
    internal IssuedKey Signing { get; } = IssuedKey.NewRsa("ops").As("ops", ("key_ops", new JsonArray("sign")));
    internal IssuedKey Only256 { get; } = IssuedKey.NewRsa("only256").As("only256", ("alg", "RS256"), ("use", "sig"));

    /// <summary>Gets a key in the set that is malformed. The other keys must still work.</summary>
    internal IssuedKey Odd { get; } = IssuedKey.NewRsa("odd").As("odd", ("use", 5));

    /// <summary>Gets the attacker's key.</summary>
    internal IssuedKey Foreign { get; } = IssuedKey.NewRsa("foreign");

    /// <summary>Gets a server that tokens refer to. The gateway must not follow such references.</summary>
    internal KeyServer Elsewhere => _elsewhere!;

    public Uri Address => _gateway!.Address;

    /// <inheritdoc cref="FaultProxy.Seen"/>
    internal (long RoundTrips, int Connections) Asked => _proxy!.Seen;

    internal string Document => IssuedKey.SetOf(Served);

    private IssuedKey[] Served => [Rsa, Small, Curve, LargerCurve, LargestCurve, Encrypting, Signing, Only256, Odd];

    public async ValueTask InitializeAsync()
    {
        _proxy = FaultProxy.Start(await server.CreateDatabaseAsync());
        _keys = await KeyServer.StartAsync(Served);
        _elsewhere = await KeyServer.StartAsync(Foreign);
        await File.WriteAllTextAsync(_file, IssuedKey.SetOf(Narrow));
        _gateway = await RunningGateway.StartAsync(
        [
            $"--DSN={_proxy.Dsn}", $"--Gateway:Connections:reports:Dsn={_proxy.Dsn}", $"--Gateway:Connections:closed:Dsn={_proxy.Dsn}",
            "--Gateway:ReadinessIntervalMs=60000", "--Gateway:PurgeIntervalMs=86400000",
            .. Settings("issuer", Issuer, _keys.Url, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
            .. Settings("narrow", NarrowIssuer, _file, "ES256"),
            .. Caller("reader", "issuer", SubjectOf("reader"), "default=read"),
            .. Caller("writer", "issuer", SubjectOf("writer"), "default=write", "reports=read"),
            .. Caller("nobody", "issuer", "nobody"),
            .. Caller("narrow", "narrow", "narrow", "default=read"),
        ]);
    }

    /// <inheritdoc cref="FaultProxy.SeeNothingAsync"/>
    internal Task<T> AskNothingAsync<T>(Func<Task<T>> send) => _proxy!.SeeNothingAsync(send);

    public async ValueTask DisposeAsync()
    {
        foreach (var part in new IAsyncDisposable?[] { _gateway, _keys, _elsewhere, _proxy })
        {
            if (part is not null)
                await part.DisposeAsync();
        }
        File.Delete(_file);
    }

    /// <summary>Returns the <c>sub</c> of a caller.</summary>
    internal static string SubjectOf(string caller) => caller switch
    {
        "reader" => "read/er",
        "writer" => "system:serviceaccount:shop:writer",
        _ => caller,
    };

    /// <summary>Returns an issuer's settings, as arguments.</summary>
    internal static IEnumerable<string> Settings(string name, string issuer, string jwks, params string[] algorithms) =>
    [
        $"--Gateway:Issuers:{name}:Issuer={issuer}", $"--Gateway:Issuers:{name}:Audience={Audience}", $"--Gateway:Issuers:{name}:Jwks={jwks}",
        .. algorithms.Select((algorithm, index) => $"--Gateway:Issuers:{name}:Algorithms:{index}={algorithm}"),
    ];

    /// <summary>Returns the settings of a caller with a subject.</summary>
    internal static IEnumerable<string> Caller(string name, string issuer, string subject, params string[] rights) =>
    [
        $"--Gateway:Callers:{name}:Subjects:{issuer}={subject}",
        .. rights.Select(right => $"--Gateway:Callers:{name}:Connections:{right}"),
    ];

    internal static JsonObject Header(string algorithm, string key) => new() { ["alg"] = algorithm, ["kid"] = key, ["typ"] = "JWT" };

    internal static JsonObject Claims(string subject, string issuer = Issuer)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        return new JsonObject
        {
            ["iss"] = issuer,
            ["aud"] = Audience,
            ["sub"] = subject,
            ["iat"] = now,
            ["nbf"] = now - 3600,
            ["exp"] = now + 600,
            // So that each token is different.
            ["jti"] = Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture),
        };
    }

    /// <summary>Returns a valid token, except for the given changes.</summary>
    internal static string Token(
        IssuedKey key, string algorithm = "RS256", string subject = "read/er", Action<JsonObject>? header = null,
        Action<JsonObject>? claims = null)
    {
        var (head, body) = (Header(algorithm, key.Id), Claims(subject));
        header?.Invoke(head);
        claims?.Invoke(body);
        return key.Sign(algorithm, head.ToJsonString(), body.ToJsonString());
    }
}
