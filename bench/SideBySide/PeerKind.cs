using Gateway.LocalPostgres;

namespace Gateway.SideBySide;

/// <summary>Represents everything that is needed to start peers.</summary>
/// <param name="Postgres">The server with the accounts.</param>
/// <param name="Gateway">The published gateway.</param>
/// <param name="Wrk">The load.</param>
/// <param name="Works">The works to measure.</param>
/// <param name="Bench">The folder of the benchmarks.</param>
/// <param name="Temporary">A folder that is deleted after the run.</param>
internal sealed record Ground(
    LocalPostgresServer Postgres, GatewayServer Gateway, Wrk Wrk, IReadOnlyList<Work> Works, string Bench,
    string Temporary);

/// <summary>Represents a kind of peer.</summary>
/// <param name="Name">The name in commands.</param>
/// <param name="Description">The description in the results.</param>
/// <param name="Requirements">The programs that it needs.</param>
/// <param name="StartAsync">Starts a peer.</param>
internal sealed record PeerKind(
    string Name,
    string Description,
    IReadOnlyList<Requirement> Requirements,
    Func<Ground, CancellationToken, Task<Peer>> StartAsync)
{
    public const string Bare = "bare", BarePrepared = "bare, auto-prepared";
    public const string FastifyPg = "Fastify + pg", FastifyPostgres = "Fastify + postgres";

    /// <summary>
    /// The settings that one chooses by hand for speed: Npgsql prepares a statement at its second use, and a session
    /// is not reset.
    /// </summary>
    private const string AutoPrepare = "Max Auto Prepare=20;Auto Prepare Min Usages=2;No Reset On Close=true";

    public static readonly PeerKind Gateway = new(
        "gateway",
        """
        - `gateway`: published ReadyToRun, with its default settings: a journal, limits, deadlines, a log line for
          each request. `exactly-once`: each request has its own activity ID. `at-least-once`: nothing is recorded.
          `replay`: the requests repeat recorded activities with `"attempt": 2`; `unmarked replay`: without it. `64
          callers`: the requests carry the API keys of 64 callers in turn; `one caller`: they carry one key.
        """,
        [], GatewayPeer.StartAsync);

    /// <summary>Gets all kinds of peers. The others are compared with the first.</summary>
    public static IReadOnlyList<PeerKind> All { get; } =
    [
        Gateway,
        new(
            "bare",
            """
            - `bare`: handlers of ASP.NET Core and Npgsql with their default settings, and a fixed statement in each.
              No limits, no log and no activity IDs: a request that is sent twice writes twice.
            """,
            [], (ground, ct) => StartBareAsync(Bare, "", ground, ct)),
        new(
            "bare-prepared",
            $"""
            - `bare, auto-prepared`: the same handler with `{AutoPrepare}`.
            """,
            [], (ground, ct) => StartBareAsync(BarePrepared, AutoPrepare, ground, ct, WorkKind.PointSelect)),
        new(
            "fastify-pg",
            """
            - `Fastify + pg`: the same handlers in Node.js, in one process, with `pool.query` and pg-query-stream.
            """,
            [Requirement.Node("Shared/fastify")], (ground, ct) => StartFastifyAsync(FastifyPg, "pg", ground, ct)),
        new(
            "fastify-postgres",
            """
            - `Fastify + postgres`: the same with the driver `postgres`, which prepares each statement once in a
              session.
            """,
            [Requirement.Node("Shared/fastify")],
            (ground, ct) => StartFastifyAsync(FastifyPostgres, "postgres", ground, ct)),
        new(
            "postgraphile",
            """
            - `PostGraphile`: a GraphQL API that version 4 generates from the tables. The generated mutations can't
              add, so its update is a function.
            """,
            [Requirement.Node("SideBySide/postgraphile")], PostGraphilePeer.StartAsync),
        new(
            "toolbox",
            """
            - `MCP Toolbox`: Google's MCP Toolbox for Databases with one `postgres-sql` tool, called by its HTTP API.
              Its answer has the rows as JSON in a string.
            """,
            [Requirement.Toolbox], ToolboxPeer.StartAsync),
        new(
            "psycopg2",
            """
            - `psycopg2`: an activity that holds the DSN. It connects with SCRAM, runs its statement, commits and
              closes, in a Python thread for each client. There is no HTTP; its own CPU includes that of the clients.
            """,
            [Requirement.Psycopg], PsycopgPeer.StartAsync),
        new(
            "pgbouncer",
            """
            - `psycopg2 via PgBouncer`: the same through PgBouncer with SCRAM and transaction pooling. Its own CPU
              includes PgBouncer's.
            """,
            [Requirement.Psycopg, Requirement.PgBouncer], PsycopgPeer.StartBouncedAsync),
        new(
            "pgbench",
            """
            - `pgbench`: PostgreSQL's benchmark, written in C, without HTTP, in two threads: the maximum of the
              server. The CPU includes opening its sessions.
            """,
            [], PgbenchPeer.StartAsync),
        new(
            "dbos",
            """
            - `DBOS`: a server of Node.js that runs each request as a workflow of one transaction step, with
              `@dbos-inc/postgres-datasource`. `steps alone`: many such steps in one workflow for each client, without
              HTTP; a request is a step.
            """,
            [Requirement.Node("SideBySide/dbos")], DbosPeer.StartAsync),
    ];

    private static async Task<Peer> StartBareAsync(
        string name, string settings, Ground ground, CancellationToken ct, params WorkKind[] works) =>
        new FixedStatementsPeer(
            name, await BareServer.StartAsync(ground.Postgres, ct, settings), ground.Wrk, works);

    private static async Task<Peer> StartFastifyAsync(
        string name, string driver, Ground ground, CancellationToken ct) =>
        new FixedStatementsPeer(
            name, await NodeServer.StartFastifyAsync(ground.Bench, driver, ground.Postgres, ct), ground.Wrk);
}
