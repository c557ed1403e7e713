// The update with DBOS. `POST /` runs a workflow of one transaction step for each request.
// `GET /steps?callers=&seconds=` runs many transaction steps in one workflow for each caller, without HTTP.
// Both pools have 10 sessions, their default. A session for each caller was not faster.
// Environment: PORT, DSN (the database of the accounts) and SYSTEM_DSN (DBOS's own database).
import { createServer } from 'node:http';
import pg from 'pg';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { PostgresDataSource } from '@dbos-inc/postgres-datasource';

const ROWS = 1_000_000;

DBOS.setConfig({
  name: 'bench',
  systemDatabaseUrl: process.env.SYSTEM_DSN,
  // The pool must not close its idle sessions during the turns of other contestants.
  systemDatabasePool: new pg.Pool({ connectionString: process.env.SYSTEM_DSN, max: 10, idleTimeoutMillis: 0 }),
  runAdminServer: false,
  logLevel: 'error',
});

const { hostname: host, port, username, password, pathname } = new URL(process.env.DSN);
const accounts = new PostgresDataSource('accounts', {
  host,
  port: Number(port),
  username,
  password,
  database: pathname.slice(1),
});

const add = accounts.registerTransaction(
  async (delta, aid) => {
    const [row] = await accounts.client`
      UPDATE pgbench_accounts SET abalance = abalance + ${delta} WHERE aid = ${aid} RETURNING abalance`;
    return row.abalance;
  },
  { name: 'add' },
);

const activity = DBOS.registerWorkflow(async (delta, aid) => add(delta, aid), { name: 'activity' });

// DBOS runs the steps of a workflow one after the other, so each caller has its own workflow.
let latencies = [];
const manySteps = DBOS.registerWorkflow(
  async (seconds) => {
    const end = performance.now() + seconds * 1000;
    for (let begun = performance.now(); begun < end; ) {
      await add(1, 1 + Math.floor(Math.random() * ROWS));
      const now = performance.now();
      latencies.push(now - begun);
      begun = now;
    }
  },
  { name: 'manySteps' },
);

async function runSteps(callers, seconds) {
  latencies = [];
  const begun = performance.now();
  await Promise.all(Array.from({ length: callers }, () => manySteps(seconds)));
  latencies.sort((a, b) => a - b);
  const percentile = (share) => latencies[Math.max(0, Math.ceil(share * latencies.length) - 1)] * 1000;
  return {
    requests: latencies.length,
    errors: 0,
    seconds: (performance.now() - begun) / 1000,
    p50: percentile(0.5),
    p99: percentile(0.99),
  };
}

async function runActivity(body) {
  const { activityId, parameters } = JSON.parse(body);
  return { abalance: await DBOS.withNextWorkflowID(activityId, () => activity(...parameters)) };
}

function send(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function settle(response, promise) {
  promise.then(
    (value) => send(response, 200, value),
    (error) => send(response, 500, { error: error.message }),
  );
}

await DBOS.launch();
createServer((request, response) => {
  if (request.method === 'GET') {
    const { searchParams } = new URL(request.url, 'http://localhost');
    settle(response, runSteps(Number(searchParams.get('callers')), Number(searchParams.get('seconds'))));
    return;
  }
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => settle(response, runActivity(body)));
}).listen(Number(process.env.PORT), '127.0.0.1');
