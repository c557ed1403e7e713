using System.Collections.Concurrent;
using Npgsql;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Runs three clients that transfer money between ten accounts, one activity for each transfer, and a model of the
/// expected result. The total would not show a double transfer, so each account is compared.
/// </summary>
internal sealed class BankTransfers
{
    private const int Accounts = 10;
    private const int Clients = 3;
    private const int MostMoved = 1_000_000;

    /// <summary>
    /// The log allows duplicates, so that they can be counted. COMMIT is slow, so that many interruptions hit it.
    /// </summary>
    private const string Schema = """
        CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
        INSERT INTO account SELECT n, 0 FROM generate_series(0, 9) AS n;
        CREATE TABLE transfer (activity text NOT NULL);
        CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON transfer DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION linger();
        """;

    /// <summary>
    /// Locks the accounts in order, so that clients cause no deadlock. The clock distinguishes a replayed answer from a
    /// new one.
    /// </summary>
    private const string Move = """
        WITH locked AS (SELECT id FROM account WHERE id IN (:from, :to) ORDER BY id FOR UPDATE),
        logged AS (INSERT INTO transfer SELECT :activity RETURNING activity),
        moved AS (
            UPDATE account SET balance = balance + CASE account.id WHEN :from THEN -(:amount::bigint) ELSE :amount END
            FROM locked WHERE account.id = locked.id RETURNING account.id, balance)
        SELECT moved.id, balance, activity, clock_timestamp(), pg_sleep(0.002) FROM moved, logged ORDER BY id
        """;

    private readonly string _dsn;
    private readonly int _seed;
    private readonly string _delivery;
    private readonly int _timeoutMs;
    private readonly ConcurrentQueue<Transfer> _answered = new();
    private readonly ConcurrentQueue<Retrying> _clients = new();

    private BankTransfers(string dsn, int seed, string delivery, int timeoutMs) =>
        (_dsn, _seed, _delivery, _timeoutMs) = (dsn, seed, delivery, timeoutMs);

    public int Answered => _answered.Count;

    /// <summary>Returns the number of tries with an incomplete answer, or with the given code.</summary>
    public int Failures(string code) => _clients.Sum(client => client.Failures.GetValueOrDefault(code));

    public string Report() => $"{Answered} transfers; failed tries: " + string.Join(", ", _clients
        .SelectMany(client => client.Failures)
        .GroupBy(failure => failure.Key, failure => failure.Value)
        .Select(group => $"{group.Sum()} {group.Key}"));

    public static async Task<BankTransfers> CreateAsync(
        string dsn, int seed, string delivery = Activity.ExactlyOnce, int timeoutMs = Activity.BudgetMs)
    {
        await GatewayFixture.ExecuteAsync(dsn, Schema);
        return new BankTransfers(dsn, seed, delivery, timeoutMs);
    }

    /// <summary>Runs the clients until they are stopped. Each still waits for its last answer.</summary>
    public Task RunAsync(IReadOnlyList<GatewayClient> gateways, CancellationToken stop) =>
        Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(() => RunClientAsync(client, gateways, stop))));

    /// <summary>Returns the differences from the model.</summary>
    public async Task<Mismatches> CompareAsync()
    {
        var model = Enumerable.Range(0, Accounts).ToDictionary(id => id, _ => 0L);
        foreach (var transfer in _answered)
        {
            model[transfer.From] -= transfer.Amount;
            model[transfer.To] += transfer.Amount;
        }
        await using var connection = await GatewayFixture.OpenAsync(_dsn);
        var balances = await ReadAsync<int, long>(connection, "SELECT id, balance FROM account");
        var effects = await ReadAsync<string, long>(connection, "SELECT activity, count(*) FROM transfer GROUP BY activity");
        var records = _delivery == Activity.AtLeastOnce ? [] : await ReadAsync<string, string>(
            connection, "SELECT activity_id, convert_from(answer, 'UTF8') FROM gateway_journal_records.activity");

        return new Mismatches(
            Balances: model.Count(account => balances[account.Key] != account.Value),
            Doubled: effects.Count(effect => effect.Value > 1),
            Lost: _answered.Count(transfer => !effects.ContainsKey(transfer.Activity.Id)),
            Answers: _answered.Count(transfer => records.GetValueOrDefault(transfer.Activity.Id) != transfer.Answer));
    }

    /// <summary>Asserts that all gateways replay the last answers, byte for byte.</summary>
    public async Task AssertReplayedAsync(IReadOnlyList<GatewayClient> gateways)
    {
        foreach (var (transfer, index) in _answered.TakeLast(20).Select((transfer, index) => (transfer, index)))
        {
            var replay = await Retrying.TryAsync(gateways[index % gateways.Count], transfer.Activity);
            Assert.NotNull(replay);
            Assert.Equal(transfer.Answer, replay.Text);
            Assert.Equal("true", replay.Headers["Idempotent-Replayed"]);
        }
    }

    private async Task RunClientAsync(int client, IReadOnlyList<GatewayClient> gateways, CancellationToken stop)
    {
        var random = new Random(unchecked(_seed + client));
        var retrying = new Retrying([.. gateways.Skip(client % gateways.Count), .. gateways.Take(client % gateways.Count)]);
        _clients.Enqueue(retrying);
        for (var number = 0; !stop.IsCancellationRequested; number++)
        {
            var from = random.Next(Accounts);
            var to = (from + random.Next(1, Accounts)) % Accounts;
            var amount = random.Next(1, MostMoved);
            var id = $"bank/{client}/{number}";
            var activity = Activity.Execute(id, Move, new { from, to, amount, activity = id }, _delivery, _timeoutMs);
            var answer = await retrying.RunAsync(activity);
            _answered.Enqueue(new Transfer(activity, from, to, amount, answer.Text));
        }
    }

    private static async Task<Dictionary<TKey, TValue>> ReadAsync<TKey, TValue>(NpgsqlConnection connection, string sql)
        where TKey : notnull
    {
        var rows = new Dictionary<TKey, TValue>();
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            rows.Add(reader.GetFieldValue<TKey>(0), reader.GetFieldValue<TValue>(1));
        return rows;
    }

    private sealed record Transfer(Activity Activity, int From, int To, int Amount, string Answer);
}

/// <param name="Balances">The number of accounts with another balance than in the model.</param>
/// <param name="Doubled">The number of activities with more than one effect.</param>
/// <param name="Lost">The number of activities with an answer and no effect.</param>
/// <param name="Answers">The number of answers that differ from the recorded one.</param>
internal sealed record Mismatches(int Balances, int Doubled, int Lost, int Answers)
{
    public static readonly Mismatches None = new(0, 0, 0, 0);
}
