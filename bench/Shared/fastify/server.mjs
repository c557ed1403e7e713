// A simple server with Fastify: a path for each fixed statement. The body of a request has the parameters; the answer
// has the rows as the driver and JSON.stringify render them.
// Environment: PORT, DSN, and DRIVER, which is pg or postgres.
import fastify from 'fastify';

const ACCOUNTS = 'SELECT aid, bid, abalance, filler FROM pgbench_accounts';
const UPDATE = 'UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2 RETURNING abalance';

const { query, transaction, stream } = await import(`./${process.env.DRIVER}.mjs`);

const server = fastify({ logger: false });

function answer(path, run) {
  server.post(path, async (request) => ({ rows: await run(...request.body.parameters) }));
}

answer('/point-select', (aid) => query(`${ACCOUNTS} WHERE aid = $1`, [aid]));
answer('/page', (aid) => query(`${ACCOUNTS} WHERE aid BETWEEN $1 AND $1 + 999 ORDER BY aid`, [aid]));
answer('/update', (delta, aid) => query(UPDATE, [delta, aid]));
answer('/transaction', (delta, aid) =>
  transaction(async (query) => {
    await query(UPDATE, [delta, aid]);
    const rows = await query('SELECT aid, bid, abalance FROM pgbench_accounts WHERE aid = $1', [aid]);
    await query(
      'INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, $1, $2, CURRENT_TIMESTAMP)',
      [aid, delta],
    );
    return rows;
  }),
);

function answerWithStream(path, text) {
  server.post(path, (_, reply) => {
    reply.type('application/x-ndjson');
    return stream(text, reply);
  });
}

answerWithStream('/stream', ACCOUNTS);
answerWithStream('/stream-rows', 'SELECT id, name, at, amount, active, detail FROM stream_rows');

await server.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
