import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { neon } from '@neondatabase/serverless';
import { connectionString, Direct, key, rejection, stringOf } from './gateway.mjs';

const readingKey = process.env.GATEWAY_READING_KEY;
let direct;

before(async () => {
  direct = await Direct.connect();
  await direct.script('CREATE TABLE notes (n int)');
});

after(() => direct.end());

suite('the password is the caller\'s key', () => {
  test('and no other', async () => {
    const wrong = key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A');

    assert.deepEqual(await neon(connectionString)`SELECT 1 AS n`, [{ n: 1 }]);
    for (const password of [wrong, key.toUpperCase(), 'anything', '', `${key}%20`]) {
      const error = await rejection(neon(stringOf(password))`INSERT INTO notes VALUES (1)`);

      assert.equal(error.name, 'NeonDbError');
      assert.match(error.message, /HTTP status 401/);
      assert.ok(password === '' || !error.message.includes(password));
    }
    assert.deepEqual(await direct.rows('SELECT * FROM notes'), []);
  });

  test('in a batch too', async () => {
    const stranger = neon(stringOf('anything'));

    assert.match((await rejection(stranger.transaction([stranger`SELECT 1`]))).message, /HTTP status 401/);
    assert.match((await rejection(stranger.transaction([]))).message, /HTTP status 401/);
  });
});

suite('authToken goes before the password', () => {
  test('as a string, as a function, and of a query', async () => {
    const string = stringOf('anything');

    assert.deepEqual(await neon(string, { authToken: key })`SELECT 1 AS n`, [{ n: 1 }]);
    assert.deepEqual(await neon(string, { authToken: () => key })`SELECT 1 AS n`, [{ n: 1 }]);
    assert.deepEqual(await neon(string, { authToken: async () => key })`SELECT 1 AS n`, [{ n: 1 }]);
    assert.deepEqual(await neon(string).query('SELECT 1 AS n', [], { authToken: key }), [{ n: 1 }]);
    assert.deepEqual(await neon(string, { authToken: key }).transaction((transaction) => [transaction`SELECT 1 AS n`]), [[{ n: 1 }]]);
  });

  test('also where it is none of a caller\'s', async () => {
    assert.match((await rejection(neon(connectionString, { authToken: 'header.payload.signature' })`SELECT 1`)).message, /HTTP status 401/);
  });
});

suite('a caller does what it may', () => {
  test('who may read reads', async () => {
    const reader = neon(stringOf(readingKey));

    assert.deepEqual(await reader`SELECT count(*)::int AS n FROM notes`, [{ n: 0 }]);
    assert.deepEqual(await reader.transaction([reader`SELECT 1 AS n`]), [[{ n: 1 }]]);
    assert.equal((await rejection(reader`INSERT INTO notes VALUES (1)`)).code, '25006');
    assert.equal((await rejection(reader.transaction([reader`INSERT INTO notes VALUES (1)`], { readOnly: false }))).code, '25006');
    assert.equal((await rejection(reader.transaction([reader`SET TRANSACTION READ WRITE`, reader`INSERT INTO notes VALUES (1)`]))).name, 'NeonDbError');
    assert.deepEqual(await direct.rows('SELECT * FROM notes'), []);
  });

  test('a connection that it may not use is none that it hears of', async () => {
    const error = await rejection(neon(stringOf(key, 'nowhere'))`SELECT 1`);

    assert.equal(error.name, 'NeonDbError');
    assert.match(error.message, /HTTP status 403/);
    assert.ok(!error.message.includes(key));
  });
});
