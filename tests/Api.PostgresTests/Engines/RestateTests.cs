using System.Globalization;
using System.Net.Http.Json;

namespace Gateway.Api.PostgresTests.Engines;

/// <summary>Tests <c>examples/restate</c>: Restate's server calls the worker again after it has ended.</summary>
public sealed class RestateTests(DemoFixture gateway, RestateServer restate)
    : EngineTests(gateway), IClassFixture<DemoFixture>, IClassFixture<RestateServer>
{
    private protected override int?[] TwoAttempts => [null, null];

    private protected override async Task<OrderWorkflow> StartAsync(Uri gateway, int userId, string total)
    {
        var environment = new Dictionary<string, string>
        {
            ["GATEWAY_URL"] = gateway.ToString(),
            ["PORT"] = Ports.PickFree().ToString(CultureInfo.InvariantCulture),
        };
        var workflow = await RestateWorkflow.StartAsync(restate, environment);
        workflow.Invoke(new { userId, total });
        return workflow;
    }

    private sealed class RestateWorkflow : OrderWorkflow
    {
        private readonly RestateServer _restate;
        private readonly Dictionary<string, string> _environment;
        private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
        private ClientProcess? _worker;
        private Task<HttpResponseMessage>? _invocation;

        private RestateWorkflow(RestateServer restate, Dictionary<string, string> environment)
        {
            _restate = restate;
            _environment = environment;
        }

        public static async Task<RestateWorkflow> StartAsync(RestateServer restate, Dictionary<string, string> environment)
        {
            var workflow = new RestateWorkflow(restate, environment);
            await workflow.RestartWorkerAsync();
            using var registered = await workflow._http.PostAsJsonAsync(
                new Uri(restate.Admin, "deployments"), new { uri = $"http://127.0.0.1:{environment["PORT"]}" });
            Assert.True(registered.IsSuccessStatusCode, await registered.Content.ReadAsStringAsync());
            return workflow;
        }

        public void Invoke(object order) =>
            _invocation = _http.PostAsJsonAsync(new Uri(_restate.Ingress, "Orders/place"), order);

        public override Task KillWorkerAsync() => _worker!.KillAsync();

        public override async Task RestartWorkerAsync()
        {
            await StopWorkerAsync();
            _worker = new ClientProcess(_restate.Folder, "node", ["orders.mjs"], _environment);
            await _worker.WaitForAsync("serving on");
        }

        public override async Task<OrderOutcome> WaitAsync()
        {
            using var response = await InvokedAsync();
            var answer = await Answer.ReadAsync(response);
            return response.IsSuccessStatusCode
                ? new OrderOutcome(answer.Json.GetProperty("orderId").GetString(), null)
                : new OrderOutcome(null, answer.Text);
        }

        public override async ValueTask DisposeAsync()
        {
            _http.Dispose();
            await StopWorkerAsync();
        }

        private async Task<HttpResponseMessage> InvokedAsync()
        {
            try
            {
                return await _invocation!;
            }
            catch (TaskCanceledException error)
            {
                throw new TimeoutException($"Restate has not answered.\n{_worker!.Output}\n{_worker.Errors}", error);
            }
        }

        private ValueTask StopWorkerAsync() => _worker?.DisposeAsync() ?? default;
    }
}
