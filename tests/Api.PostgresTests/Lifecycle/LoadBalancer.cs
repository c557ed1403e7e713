namespace Gateway.Api.PostgresTests.Lifecycle;

/// <summary>
/// Runs HAProxy before several gateways. It checks the readiness of each, and does not hide faults by retrying at
/// another.
/// </summary>
internal sealed class LoadBalancer : IAsyncDisposable
{
    /// <summary>The header with the index of the gateway that answered.</summary>
    public const string AnsweredBy = "X-Answered-By";

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-balancer-").FullName;
    private ClientProcess? _process;

    public Uri Address { get; } = new($"http://127.0.0.1:{Ports.PickFree()}");

    /// <summary>Starts a load balancer, and waits until it sends requests to each gateway.</summary>
    public static Task<LoadBalancer> StartAsync(params Uri[] gateways) => StartAsync(TimeSpan.FromSeconds(60), gateways);

    /// <summary>Same as <see cref="StartAsync(Uri[])"/>, with the time after which it gives up on an answer.</summary>
    public static async Task<LoadBalancer> StartAsync(TimeSpan answerTimeout, params Uri[] gateways)
    {
        var balancer = new LoadBalancer();
        try
        {
            var file = Path.Combine(balancer._folder, "haproxy.cfg");
            await File.WriteAllTextAsync(file, balancer.Configuration(answerTimeout, gateways));
            balancer._process = new ClientProcess(balancer._folder, Program(), ["-db", "-f", file]);
            foreach (var place in Enumerable.Range(0, gateways.Length))
                await balancer.UntilUsedAsync(place);
            return balancer;
        }
        catch
        {
            await balancer.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until it sends requests to the given gateway.</summary>
    public async Task UntilUsedAsync(int place)
    {
        using var http = new HttpClient { BaseAddress = Address };
        await Poll.UntilAsync(IsUsedAsync);

        async Task<bool> IsUsedAsync()
        {
            try
            {
                using var answer = await http.GetAsync("/healthz/live");
                return answer.Headers.TryGetValues(AnsweredBy, out var names) && names.Single() == $"gateway{place}";
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
                return false;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Debian installs it in a folder that only root's PATH contains.</summary>
    private static string Program() => File.Exists("/usr/sbin/haproxy") ? "/usr/sbin/haproxy" : "haproxy";

    private string Configuration(TimeSpan answerTimeout, Uri[] gateways) => $"""
        defaults
            mode http
            timeout connect 5s
            timeout client 60s
            timeout server {answerTimeout.TotalMilliseconds:0}ms
            # Else a check that a busy machine is slow to answer counts as failed, and nobody is left to serve.
            timeout check 10s
            # A gateway that fails a request must show.
            retries 0
            retry-on none

        frontend callers
            bind {Address.Host}:{Address.Port}
            default_backend gateways

        backend gateways
            balance roundrobin
            option httpchk GET /healthz/ready
            http-check expect status 200
            http-response set-header {AnsweredBy} %s
            default-server check inter 200ms fall 2 rise 2
        {string.Join('\n', gateways.Select((gateway, place) => $"    server gateway{place} {gateway.Host}:{gateway.Port}"))}

        """;
}
