import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { rejection, sql } from './gateway.mjs';

/** Sends a value as a parameter of the given type, and returns PostgreSQL's text of it. */
async function textOf(type, value) {
  const [{ text }] = await sql.query(`SELECT $1::${type}::text AS text`, [value]);
  return text;
}

// [type, JavaScript value, PostgreSQL's text]
const values = [
  ['text', null, null],
  ['text', undefined, null],
  ['text', 'x', 'x'],
  ['text', '', ''],
  ['text', 'null', 'null'],
  ['text', '{"a": 1}', '{"a": 1}'],
  ['text', '{1,2}', '{1,2}'],
  ['text', 1.5, '1.5'],
  ['text', true, 'true'],
  ['int', 42, '42'],
  ['int', '42', '42'],
  ['int', -0, '0'],
  ['int8', 9007199254740993n, '9007199254740993'],
  ['int8', -9223372036854775808n, '-9223372036854775808'],
  ['int8', Number.MAX_SAFE_INTEGER, '9007199254740991'],
  ['numeric', 123456789012345678901234567890n, '123456789012345678901234567890'],
  ['numeric', 1e21, '1000000000000000000000'],
  ['numeric', '1.500', '1.500'],
  ['float8', 0.1, '0.1'],
  ['float8', 1e-7, '1e-07'],
  ['float8', NaN, 'NaN'],
  ['float8', -Infinity, '-Infinity'],
  ['numeric', Infinity, 'Infinity'],
  ['boolean', true, 'true'],
  ['boolean', false, 'false'],
  ['boolean', 't', 'true'],
  ['uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['date', '2026-01-02', '2026-01-02'],
  ['interval', '1 day 2 hours', '1 day 02:00:00'],
  ['bytea', Buffer.from([0, 255, 92]), '\\x00ff5c'],
  ['bytea', new Uint8Array([1, 2, 3]), '\\x010203'],
  ['bytea', new Uint8Array([9, 1, 2, 9]).subarray(1, 3), '\\x0102'],
  ['bytea', new Uint16Array([1]), '\\x0100'],
  ['bytea', Buffer.alloc(0), '\\x'],
  ['jsonb', { a: [1, null, 'x'], b: { c: true } }, '{"a": [1, null, "x"], "b": {"c": true}}'],
  ['jsonb', {}, '{}'],
  ['jsonb', '"text"', '"text"'],
  ['jsonb', JSON.stringify([1, 2]), '[1, 2]'],
  ['jsonb', 7, '7'],
  ['json', { b: 1, a: 2 }, '{"b":1,"a":2}'],
  ['int[]', [], '{}'],
  ['int[]', [1, 2, 3], '{1,2,3}'],
  ['int[]', [1, null, undefined], '{1,NULL,NULL}'],
  ['int[]', [[1, 2], [3, 4]], '{{1,2},{3,4}}'],
  ['int8[]', [9007199254740993n], '{9007199254740993}'],
  ['boolean[]', [true, false, null], '{t,f,NULL}'],
  ['text[]', ['a,b', '{}', null, 'NULL', '', '"\\', "it's", 'é😀'], '{"a,b","{}",NULL,"NULL","","\\"\\\\",it\'s,é😀}'],
  ['text[]', [['a', 'b'], ['c', null]], '{{a,b},{c,NULL}}'],
  ['jsonb[]', [{ a: 1 }, { b: ['x"y'] }], '{"{\\"a\\": 1}","{\\"b\\": [\\"x\\\\\\"y\\"]}"}'],
  ['bytea[]', [Buffer.from([0, 255])], '{"\\\\x00ff"}'],
  ['int4range', '[1,5)', '[1,5)'],
  ['point', '(1,2)', '(1,2)'],
  ['inet', '::1', '::1/128'],
];

suite('a parameter is what it is in JavaScript', () => {
  for (const [type, value, expected] of values) {
    test(`${type}: ${describe(value)}`, async () => {
      assert.equal(await textOf(type, value), expected);
    });
  }

  test('a Date is its moment', async () => {
    const date = new Date('2026-01-02T03:04:05.678Z');

    const [row] = await sql`SELECT ${date}::timestamptz AS at, extract(epoch FROM ${date}::timestamptz)::text AS epoch`;

    assert.deepEqual(row, { at: date, epoch: '1767323045.678000' });
  });

  test('a Date before Christ is its moment', async () => {
    const date = new Date('-000043-03-15T12:00:00Z');

    const [{ at }] = await sql`SELECT ${date}::timestamptz AS at`;

    assert.equal(at.getUTCFullYear(), -43);
  });

  test('an object says what it is by toPostgres()', async () => {
    const point = { toPostgres: () => '(3,4)' };

    assert.deepEqual(await sql`SELECT ${point}::point AS p`, [{ p: { x: 3, y: 4 } }]);
  });

  test('its type is inferred from where it stands', async () => {
    assert.deepEqual(await sql`SELECT ${'x'} AS alone, 1 + ${'2'} AS sum, ${'2026-01-31'}::date + ${1}::int AS next, 7 = ANY(${[7, 8]}) AS found`, [
      { alone: 'x', sum: 3, next: new Date(2026, 1, 1), found: true },
    ]);
    assert.deepEqual(await sql`SELECT jsonb_build_object('n', ${1}::int) || ${{ a: [1] }} AS merged LIMIT ${1}`, [{ merged: { n: 1, a: [1] } }]);
  });

  test('a megabyte', async () => {
    const text = 'é'.repeat(500_000);

    assert.deepEqual(await sql`SELECT length(${text}) AS length, md5(${text}) = md5(repeat('é', 500000)) AS same`, [{ length: 500_000, same: true }]);
  });
});

suite('a parameter that PostgreSQL refuses is an error', () => {
  test('text that is not of the type', async () => {
    const error = await rejection(sql`SELECT ${'abc'}::int`);

    assert.deepEqual([error.name, error.code, error.severity], ['NeonDbError', '22P02', 'ERROR']);
  });

  test('too few of them, or too many', async () => {
    assert.equal((await rejection(sql.query('SELECT $1::int, $2::int', [1]))).name, 'NeonDbError');
    assert.equal((await rejection(sql.query('SELECT $1::int', [1, 2]))).name, 'NeonDbError');
    assert.equal((await rejection(sql.query('SELECT $1::int'))).name, 'NeonDbError');
  });

  test('a NUL in text', async () => {
    assert.equal((await rejection(sql`SELECT ${'a\0b'}::text`)).name, 'NeonDbError');
  });

  test('half a surrogate pair, which no text can hold', async () => {
    assert.equal((await rejection(sql`SELECT ${'a\ud800b'}::text`)).name, 'NeonDbError');
  });

  test('one whose type cannot be inferred', async () => {
    assert.equal((await rejection(sql`SELECT pg_typeof(${1})`)).code, '42P18');
  });
});

function describe(value) {
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name} of ${value.byteLength} bytes`;
  return typeof value === 'bigint'
    ? `${value}n`
    : JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value);
}
