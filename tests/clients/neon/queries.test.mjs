import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { neon, neonConfig } from '@neondatabase/serverless';
import { connectionString, Direct, key, rejection, sql, stringOf } from './gateway.mjs';

let direct;

before(async () => {
  direct = await Direct.connect();
  await direct.script(`
    CREATE TABLE films (id int PRIMARY KEY, title varchar(40) NOT NULL, rating numeric(3, 1));
    INSERT INTO films VALUES (1, 'Metropolis', 8.3), (2, 'M', 8.3), (3, 'Nosferatu', NULL);
    CREATE TABLE "odd ""name""" ("a b" int);
    INSERT INTO "odd ""name""" VALUES (7)`);
});

after(() => direct.end());

suite('templates', () => {
  test('a value in a template is a parameter', async () => {
    const title = "M'; DROP TABLE films; --";

    assert.deepEqual(await sql`SELECT ${title}::text AS title, ${1}::int + ${2}::int AS sum`, [{ title, sum: 3 }]);
    assert.deepEqual(await sql`SELECT title FROM films WHERE id = ${2}`, [{ title: 'M' }]);
  });

  test('a template in a template brings its parameters', async () => {
    const where = sql`WHERE id > ${1} AND title <> ${'M'}`;

    assert.deepEqual(await sql`SELECT id FROM films ${where} AND id < ${100}`, [{ id: 3 }]);
  });

  test('unsafe text is part of the statement', async () => {
    assert.deepEqual(await sql`SELECT title FROM ${sql.unsafe('films')} WHERE id = ${1} ORDER BY ${sql.unsafe('title DESC')}`, [
      { title: 'Metropolis' },
    ]);
    assert.deepEqual(await sql`SELECT "a b" FROM ${sql.unsafe('"odd ""name"""')}`, [{ 'a b': 7 }]);
  });

  test('a template without values is sent as it is', async () => {
    assert.deepEqual(await sql`SELECT '$1 ? :name' AS "text" -- $2`, [{ text: '$1 ? :name' }]);
  });

  test('bytes in a template are bytea', async () => {
    const bytes = new Uint8Array([0, 1, 127, 128, 255]);

    assert.deepEqual(await sql`SELECT encode(${bytes}, 'hex') AS hex, length(${Buffer.from(bytes)}) AS length`, [
      { hex: '00017f80ff', length: 5 },
    ]);
  });
});

suite('query()', () => {
  test('placeholders are given in any order and more than once', async () => {
    assert.deepEqual(await sql.query('SELECT $2::text AS b, $1::text AS a, $2::text AS c', ['x', 'y']), [{ b: 'y', a: 'x', c: 'y' }]);
  });

  test('no parameters', async () => {
    assert.deepEqual(await sql.query('SELECT 1 AS n'), [{ n: 1 }]);
    assert.deepEqual(await sql.query('SELECT 1 AS n', []), [{ n: 1 }]);
  });

  test('a statement with a semicolon at its end', async () => {
    assert.deepEqual(await sql.query('SELECT 1 AS n;'), [{ n: 1 }]);
    assert.deepEqual(await sql.query(' ; SELECT 1 AS n ; -- the end'), [{ n: 1 }]);
  });

  test('a hundred parameters', async () => {
    const values = Array.from({ length: 100 }, (_, index) => index);
    const text = `SELECT ${values.map((value) => `$${value + 1}::int`).join(' + ')} AS sum`;

    assert.deepEqual(await sql.query(text, values), [{ sum: 4950 }]);
  });

  test('no rows', async () => {
    assert.deepEqual(await sql.query('SELECT id FROM films WHERE false'), []);
  });

  test('rows of no columns', async () => {
    assert.deepEqual(await sql.query('SELECT FROM films'), [{}, {}, {}]);
    assert.deepEqual(await sql.query('SELECT FROM films', [], { arrayMode: true }), [[], [], []]);
  });

  test('text of any script, and what JSON escapes', async () => {
    const texts = [
      '', ' ', 'Zażółć gęślą jaźń', '日本語', '😀👩‍👩‍👧', '\u0001\b\t\n\r\f"\\/', '</script>', '\u2028\u2029', '\ufeffx', 'e\u0301', '\u007f',
    ];

    assert.deepEqual(await sql.query('SELECT t, length(t) AS length FROM unnest($1::text[]) WITH ORDINALITY AS u(t, i) ORDER BY i', [texts]),
      texts.map((t) => ({ t, length: [...t].length })));
    assert.deepEqual(await sql.query('SELECT $1 AS "日本 😀 \\"', ['é']), [{ '日本 😀 \\': 'é' }]);
  });

  test('many at a time', async () => {
    const rows = await Promise.all(Array.from({ length: 50 }, (_, n) => sql`SELECT ${n}::int AS n`));

    assert.deepEqual(rows, Array.from({ length: 50 }, (_, n) => [{ n }]));
  });
});

suite('the form of results', () => {
  test('array mode', async () => {
    assert.deepEqual(await sql.query('SELECT id, title FROM films ORDER BY id', [], { arrayMode: true }),
      [[1, 'Metropolis'], [2, 'M'], [3, 'Nosferatu']]);
    assert.deepEqual(await neon(connectionString, { arrayMode: true })`SELECT id FROM films ORDER BY id`, [[1], [2], [3]]);
  });

  test('array mode keeps columns of one name, and objects have the last', async () => {
    const text = 'SELECT 1 AS n, 2 AS n, 3 AS m';

    assert.deepEqual(await sql.query(text, [], { arrayMode: true }), [[1, 2, 3]]);
    assert.deepEqual(await sql.query(text), [{ n: 2, m: 3 }]);
  });

  test('a column may have any name', async () => {
    assert.deepEqual(await sql.query('SELECT 1 AS "constructor", 2 AS " ", 3 AS "a""b", 4'), [
      { constructor: 1, ' ': 2, 'a"b': 3, '?column?': 4 },
    ]);
  });

  test('full results have what node-postgres has', async () => {
    const text = "SELECT id, title, rating, title || '' AS text, now() AS now, '{}'::int[] AS list FROM films ORDER BY id";
    const expected = await direct.query(text, []);

    for (const arrayMode of [false, true]) {
      const result = await sql.query(text, [], { fullResults: true, arrayMode });

      assert.equal(result.command, 'SELECT');
      assert.equal(result.rowCount, 3);
      assert.equal(result.rowAsArray, arrayMode);
      assert.equal(result.viaNeonFetch, true);
      assert.deepEqual(result.fields, expected.fields.map((field) => ({ ...field })));
      assert.equal(result.rows.length, 3);
    }
    const [id, title, rating] = expected.fields;
    assert.ok(id.tableID > 0 && id.columnID === 1 && id.dataTypeSize === 4 && id.dataTypeModifier === -1);
    assert.ok(title.columnID === 2 && title.dataTypeSize === -1 && title.dataTypeModifier === 44);
    assert.ok(rating.columnID === 3 && rating.dataTypeModifier > 0);
  });

  test('full results without rows have the fields all the same', async () => {
    const result = await sql.query('SELECT id, title FROM films WHERE false', [], { fullResults: true });

    assert.deepEqual([result.command, result.rowCount, result.rows], ['SELECT', 0, []]);
    assert.deepEqual(result.fields.map((field) => [field.name, field.dataTypeID, field.format]), [['id', 23, 'text'], ['title', 1043, 'text']]);
  });

  test('commands and counts', async () => {
    const full = { fullResults: true };
    const outcome = async (text) => {
      const { command, rowCount, rows, fields } = await sql.query(text, [], full);
      return [command, rowCount, rows.length, fields.length];
    };

    assert.deepEqual(await outcome('CREATE TABLE counted (n int)'), ['CREATE', null, 0, 0]);
    assert.deepEqual(await outcome('INSERT INTO counted SELECT generate_series(1, 5)'), ['INSERT', 5, 0, 0]);
    assert.deepEqual(await outcome('INSERT INTO counted VALUES (6) RETURNING n'), ['INSERT', 1, 1, 1]);
    assert.deepEqual(await outcome('UPDATE counted SET n = n + 1 WHERE n > 3 RETURNING n'), ['UPDATE', 3, 3, 1]);
    assert.deepEqual(await outcome('UPDATE counted SET n = 0 WHERE false'), ['UPDATE', 0, 0, 0]);
    assert.deepEqual(await outcome('DELETE FROM counted WHERE n = 1'), ['DELETE', 1, 0, 0]);
    assert.deepEqual(await outcome('TABLE counted'), ['SELECT', 5, 5, 1]);
    assert.deepEqual(await outcome('DO $$ BEGIN PERFORM 1; END $$'), ['DO', null, 0, 0]);
    assert.deepEqual(await outcome('DROP TABLE counted'), ['DROP', null, 0, 0]);
    assert.deepEqual(await outcome('SHOW server_version'), ['SHOW', null, 1, 1]);
    for (const nothing of ['', ';', ' -- nothing'])
      assert.deepEqual(await outcome(nothing), ['', null, 0, 0]);
  });

  test('options of neon() hold for each query, and those of a query before them', async () => {
    const arrays = neon(connectionString, { arrayMode: true, fullResults: true });

    assert.deepEqual((await arrays`SELECT 1 AS n`).rows, [[1]]);
    assert.deepEqual(await arrays.query('SELECT 1 AS n', [], { arrayMode: false, fullResults: false }), [{ n: 1 }]);
  });
});

suite('connection and limits', () => {
  test('parameters beside the string say the same', async () => {
    assert.deepEqual(await neon({ user: 'anyone', password: key, host: 'any.host', database: 'default' })`SELECT 1 AS n`, [{ n: 1 }]);
    assert.deepEqual(await neon(stringOf('another'), { password: async () => key })`SELECT 1 AS n`, [{ n: 1 }]);
    assert.deepEqual(await sql.query('SELECT 1 AS n', [], { database: 'default' }), [{ n: 1 }]);
  });

  test('query parameters of the string are no matter', async () => {
    const demanding = neon(`${connectionString}?sslmode=require&channel_binding=require&options=project%3Dx`);

    assert.deepEqual(await demanding`SELECT 1 AS n`, [{ n: 1 }]);
  });

  test('a statement is ended when its fetch is aborted', async () => {
    const abort = new AbortController();
    const marker = `abort_${process.pid}`;
    const running = rejection(sql.query(`SELECT pg_sleep(50), '${marker}'`, [], { fetchOptions: { signal: abort.signal } }));
    await until(async () => await isRunning(marker));

    abort.abort();

    assert.match((await running).message, /abort/i);
    await until(async () => !(await isRunning(marker)));
  });

  test('a query and a batch with a key take effect once', async () => {
    neonConfig.fetchFunction = (url, { idempotencyKey, ...init }) =>
      fetch(url, idempotencyKey ? { ...init, headers: { ...init.headers, 'Idempotency-Key': idempotencyKey } } : init);
    try {
      await direct.query('CREATE TABLE keyed (id int GENERATED ALWAYS AS IDENTITY, note text)');
      const insert = (note, fetchOptions) => sql.query('INSERT INTO keyed (note) VALUES ($1) RETURNING id', [note], { fetchOptions });
      const batch = () => sql.transaction([sql`INSERT INTO keyed (note) VALUES ('b') RETURNING id`], { fetchOptions: { idempotencyKey: 'run/batch' } });

      assert.deepEqual(await insert('a', { idempotencyKey: 'run/query' }), await insert('a', { idempotencyKey: 'run/query' }));
      assert.deepEqual(await batch(), await batch());
      assert.equal((await rejection(insert('other', { idempotencyKey: 'run/query' }))).code, 'activity_mismatch');
      assert.notDeepEqual(await insert('c'), await insert('c'));

      assert.deepEqual((await direct.rows('SELECT note FROM keyed ORDER BY id')).map(({ note }) => note), ['a', 'b', 'c', 'c']);
    } finally {
      neonConfig.fetchFunction = undefined;
    }
  });

  test('a result beyond the limit is an error, and writes nothing', async () => {
    await direct.script('CREATE TABLE overflow (n int, padding text)');

    const error = await rejection(
      sql`INSERT INTO overflow SELECT n, repeat('x', 1000) FROM generate_series(1, 6000) n RETURNING *`);

    assert.equal(error.name, 'NeonDbError');
    assert.match(error.message, /HTTP status 507/);
    assert.deepEqual(await direct.rows('SELECT count(*)::int AS n FROM overflow'), [{ n: 0 }]);
  });

  test('a request beyond the limit is an error', async () => {
    const error = await rejection(sql`SELECT length(${'x'.repeat(5_000_000)})`);

    assert.equal(error.name, 'NeonDbError');
    assert.match(error.message, /HTTP status 413/);
  });

  test('a result just below the limit comes whole', async () => {
    const rows = await sql`SELECT n, repeat('x', 1000) AS padding FROM generate_series(1, 3900) n`;

    assert.equal(rows.length, 3900);
    assert.ok(rows.every((row, index) => row.n === index + 1 && row.padding.length === 1000));
  });
});

async function isRunning(marker) {
  const [{ running }] = await direct.rows(
    "SELECT count(*)::int AS running FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND position($1 in query) > 0",
    [marker]);
  return running > 0;
}

async function until(holds) {
  for (let tries = 0; tries < 300; tries++) {
    if (await holds())
      return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('It did not come about in time.');
}
