import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { neon } from '@neondatabase/serverless';
import { connectionString, Direct, rejection, sql } from './gateway.mjs';

let direct;

before(async () => {
  direct = await Direct.connect();
  await direct.script(`
    CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0));
    CREATE TABLE transfers (account int REFERENCES accounts DEFERRABLE INITIALLY DEFERRED, amount int)`);
});

beforeEach(() => direct.script('TRUNCATE accounts, transfers; INSERT INTO accounts VALUES (1, 100), (2, 0)'));

after(() => direct.end());

const balances = async () => (await direct.rows('SELECT balance FROM accounts ORDER BY id')).map((row) => row.balance);

suite('a transaction', () => {
  test('runs its queries in order, and each sees those before it', async () => {
    const [taken, given, seen] = await sql.transaction([
      sql`UPDATE accounts SET balance = balance - ${30} WHERE id = ${1} RETURNING balance`,
      sql.query('UPDATE accounts SET balance = balance + $1 WHERE id = $2', [30, 2]),
      sql`SELECT id, balance FROM accounts ORDER BY id`,
    ]);

    assert.deepEqual(taken, [{ balance: 70 }]);
    assert.deepEqual(given, []);
    assert.deepEqual(seen, [{ id: 1, balance: 70 }, { id: 2, balance: 30 }]);
    assert.deepEqual(await balances(), [70, 30]);
  });

  test('by a function', async () => {
    const results = await sql.transaction((transaction) => [transaction`SELECT 1 AS a`, transaction.query('SELECT $1::int AS b', [2])]);

    assert.deepEqual(results, [[{ a: 1 }], [{ b: 2 }]]);
  });

  test('of nothing', async () => {
    assert.deepEqual(await sql.transaction([]), []);
    assert.deepEqual(await sql.transaction([], { isolationLevel: 'Serializable', readOnly: true }), []);
  });

  test('of one', async () => {
    assert.deepEqual(await sql.transaction([sql`SELECT 1 AS n`]), [[{ n: 1 }]]);
  });

  test('of a hundred', async () => {
    const results = await sql.transaction(Array.from({ length: 100 }, (_, n) => sql`SELECT ${n}::int AS n`));

    assert.deepEqual(results, Array.from({ length: 100 }, (_, n) => [{ n }]));
  });

  test('is one: a time, a transaction, a session', async () => {
    const [[first], [second]] = await sql.transaction([
      sql`SELECT now() AS at, pg_current_xact_id()::text AS xid, pg_backend_pid() AS pid`,
      sql`SELECT now() AS at, pg_current_xact_id()::text AS xid, pg_backend_pid() AS pid FROM pg_sleep(0.01)`,
    ]);

    assert.deepEqual(first, second);
  });

  test('leaves nothing in the session', async () => {
    const [, , [{ n }]] = await sql.transaction([
      sql`CREATE TEMPORARY TABLE scratch AS SELECT 7 AS n`,
      sql`SELECT set_config('app.secret', 'x', false)`,
      sql`SELECT n FROM scratch`,
    ]);

    assert.equal(n, 7);
    for (let tries = 0; tries < 5; tries++) {
      assert.deepEqual(await sql`SELECT to_regclass('scratch') IS NULL AS gone, coalesce(current_setting('app.secret', true), '') AS secret`,
        [{ gone: true, secret: '' }]);
    }
  });

  test('in the form that it or its queries ask for', async () => {
    const [objects, arrays] = await sql.transaction([sql.query('SELECT 1 AS n', [], { arrayMode: false }), sql`SELECT 1 AS n`], { arrayMode: true });
    const [full] = await sql.transaction([sql`SELECT 1 AS n`], { fullResults: true });

    assert.deepEqual([objects, arrays], [[{ n: 1 }], [[1]]]);
    assert.deepEqual([full.command, full.rowCount, full.rows, full.fields.length], ['SELECT', 1, [{ n: 1 }], 1]);
  });

  test('its queries may have parsers of their own', async () => {
    const types = { getTypeParser: () => (text) => `<${text}>` };

    assert.deepEqual(await sql.transaction([sql.query('SELECT 1 AS n', [], { types }), sql`SELECT 1 AS n`]), [[{ n: '<1>' }], [{ n: 1 }]]);
  });
});

suite('how a transaction runs', () => {
  const settings = (transaction) => [transaction`
    SELECT current_setting('transaction_isolation') AS level, current_setting('transaction_read_only') AS "readOnly",
           current_setting('transaction_deferrable') AS deferrable`];

  for (const [isolationLevel, level] of [
    ['ReadUncommitted', 'read uncommitted'], ['ReadCommitted', 'read committed'], ['RepeatableRead', 'repeatable read'],
    ['Serializable', 'serializable'],
  ]) {
    test(isolationLevel, async () => {
      assert.deepEqual(await sql.transaction(settings, { isolationLevel }), [[{ level, readOnly: 'off', deferrable: 'off' }]]);
      assert.deepEqual(await sql.transaction(settings, { isolationLevel, readOnly: true, deferrable: true }),
        [[{ level, readOnly: 'on', deferrable: 'on' }]]);
    });
  }

  test('as the server does, where it does not say', async () => {
    assert.deepEqual(await sql.transaction(settings), [[{ level: 'read committed', readOnly: 'off', deferrable: 'off' }]]);
    assert.deepEqual(await sql.transaction(settings, { readOnly: false, deferrable: false }),
      [[{ level: 'read committed', readOnly: 'off', deferrable: 'off' }]]);
  });

  test('by options of neon()', async () => {
    const strict = neon(connectionString, { isolationLevel: 'Serializable', readOnly: true });

    assert.deepEqual(await strict.transaction(settings), [[{ level: 'serializable', readOnly: 'on', deferrable: 'off' }]]);
    assert.deepEqual(await strict.transaction(settings, { isolationLevel: 'RepeatableRead', readOnly: false }),
      [[{ level: 'repeatable read', readOnly: 'off', deferrable: 'off' }]]);
  });

  test('at a level that there is not: refused', async () => {
    const error = await rejection(sql.transaction([sql`DELETE FROM accounts`], { isolationLevel: 'Chaos' }));

    assert.equal(error.name, 'NeonDbError');
    assert.deepEqual(await balances(), [100, 0]);
  });

  test('reading only, it refuses a write', async () => {
    const error = await rejection(sql.transaction([sql`SELECT 1`, sql`DELETE FROM accounts`], { readOnly: true }));

    assert.deepEqual([error.name, error.code], ['NeonDbError', '25006']);
    assert.deepEqual(await balances(), [100, 0]);
  });

  test('a repeatable read sees one state', async () => {
    const reading = sql.transaction(
      [sql`SELECT balance FROM accounts WHERE id = 1`, sql`SELECT pg_sleep(1)`, sql`SELECT balance FROM accounts WHERE id = 1`],
      { isolationLevel: 'RepeatableRead' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await direct.script('UPDATE accounts SET balance = 55 WHERE id = 1');
    const [before, , after] = await reading;

    assert.deepEqual(after, before);
  });
});

suite('a transaction that fails', () => {
  test('leaves nothing', async () => {
    const error = await rejection(sql.transaction([
      sql`UPDATE accounts SET balance = balance + 500 WHERE id = 2`,
      sql`UPDATE accounts SET balance = balance - 500 WHERE id = 1`,
      sql`DELETE FROM accounts`,
    ]));

    assert.deepEqual([error.name, error.code, error.constraint], ['NeonDbError', '23514', 'accounts_balance_check']);
    assert.deepEqual(await balances(), [100, 0]);
  });

  test('at COMMIT leaves nothing either', async () => {
    const error = await rejection(sql.transaction([sql`UPDATE accounts SET balance = 1`, sql`INSERT INTO transfers VALUES (99, 1)`]));

    assert.deepEqual([error.code, error.constraint], ['23503', 'transfers_account_fkey']);
    assert.deepEqual(await balances(), [100, 0]);
    assert.deepEqual(await direct.rows('SELECT * FROM transfers'), []);
  });

  test('by a position tells that of its query', async () => {
    const error = await rejection(sql.transaction([sql`SELECT 1`, sql`SELECT nowhere`]));

    assert.deepEqual([error.code, error.position], ['42703', '8']);
  });

  test('by its end of another is refused', async () => {
    const error = await rejection(sql.transaction([sql`DELETE FROM accounts`, sql`COMMIT`, sql`SELECT 1`]));

    assert.equal(error.name, 'NeonDbError');
    assert.deepEqual(await balances(), [100, 0]);
  });

  test('by two statements in one is refused', async () => {
    const error = await rejection(sql.transaction([sql`SELECT 1`, sql.query('DELETE FROM accounts; DELETE FROM transfers')]));

    assert.equal(error.code, '42601');
    assert.deepEqual(await balances(), [100, 0]);
  });

  test('by an answer beyond the limit leaves nothing', async () => {
    const error = await rejection(sql.transaction([sql`DELETE FROM accounts`, sql`SELECT repeat('x', 1000) FROM generate_series(1, 6000)`]));

    assert.match(error.message, /HTTP status 507/);
    assert.deepEqual(await balances(), [100, 0]);
  });
});

test('transactions at the same time add up', async () => {
  const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => sql.transaction([
    sql`UPDATE accounts SET balance = balance - 1 WHERE id = 1`,
    sql`UPDATE accounts SET balance = balance + 1 WHERE id = 2`,
    sql`INSERT INTO transfers VALUES (1, 1)`,
  ], { isolationLevel: 'Serializable' })));

  // Transactions that lost the conflict, also in each rerun by the gateway, report it.
  const lost = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason.code);
  assert.ok(lost.every((code) => code === '40001'), String(lost));
  const done = 30 - lost.length;
  assert.ok(done > 0);
  assert.deepEqual(await balances(), [100 - done, done]);
  assert.deepEqual(await direct.rows('SELECT count(*)::int AS n FROM transfers'), [{ n: done }]);
});
