import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { neon, types } from '@neondatabase/serverless';
import { connectionString, Direct, sql } from './gateway.mjs';

let direct;

before(async () => {
  direct = await Direct.connect();
  await direct.script(`
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'in "love"');
    CREATE DOMAIN age AS int CHECK (VALUE >= 0);
    CREATE TYPE address AS (street text, number int, since date)`);
});

after(() => direct.end());

/** The driver's value of an expression; of the driver's own objects only their content. */
async function value(expression) {
  const [[value]] = await sql.query(`SELECT ${expression}`, [], { arrayMode: true });
  return value;
}

// [expression, the driver's parsed value]
const scalars = [
  ['true', true],
  ['false', false],
  ['32767::int2', 32767],
  ["'-2147483648'::int4", -2147483648],
  ['9223372036854775807::int8', '9223372036854775807'],
  ['-9007199254740993::int8', '-9007199254740993'],
  ['4294967295::oid', 4294967295],
  ['1.5::float4', 1.5],
  ['0.1::float8 + 0.2::float8', 0.30000000000000004],
  ['1e-307::float8', 1e-307],
  ["'NaN'::float8", NaN],
  ["'Infinity'::float4", Infinity],
  ["'-Infinity'::float8", -Infinity],
  ["'-0'::float8", -0],
  ['1.50::numeric', '1.50'],
  ['123456789012345678901234567890.123456789', '123456789012345678901234567890.123456789'],
  ["'NaN'::numeric", 'NaN'],
  ["'Infinity'::numeric", 'Infinity'],
  ["'it''s \"q\" \\ {a,b}'::text", 'it\'s "q" \\ {a,b}'],
  ["''::text", ''],
  ["'null'::text", 'null'],
  ["'ab'::char(4)", 'ab  '],
  ["'ab'::varchar(4)", 'ab'],
  ["'x'::\"char\"", 'x'],
  ["'a_name'::name", 'a_name'],
  ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ["'2026-01-02 03:04:05.678901+02'::timestamptz", new Date('2026-01-02T01:04:05.678Z')],
  ["'2026-01-02 03:04:05'::timestamp", new Date(2026, 0, 2, 3, 4, 5)],
  ["'2026-01-02'::date", new Date(2026, 0, 2)],
  ["'infinity'::timestamptz", Infinity],
  ["'-infinity'::date", -Infinity],
  ["'12:34:56.789'::time", '12:34:56.789'],
  ["'12:34:56+02'::timetz", '12:34:56+02'],
  ["'12.34'::money::numeric", '12.34'],
  ["'192.168.0.1/24'::inet", '192.168.0.1/24'],
  ["'10.0.0.0/8'::cidr", '10.0.0.0/8'],
  ["'08:00:2b:01:02:03'::macaddr", '08:00:2b:01:02:03'],
  ["B'1010'", '1010'],
  ["'1010'::varbit", '1010'],
  ["'[1,5)'::int4range", '[1,5)'],
  ["'empty'::numrange", 'empty'],
  ["'{[1,3), [5,7)}'::int4multirange", '{[1,3),[5,7)}'],
  ["to_tsvector('simple', 'a b a')", "'a':1,3 'b':2"],
  ["'<a>b</a>'::xml", '<a>b</a>'],
  ["'$.a[*]'::jsonpath", '$."a"[*]'],
  ["'in \"love\"'::mood", 'in "love"'],
  ['7::age', 7],
  ["ROW('Main \"St\"', 5, '2026-01-02')::address", '("Main ""St""",5,2026-01-02)'],
  ["ROW(1, NULL, 'x')", '(1,,x)'],
  ["'16/B374D848'::pg_lsn", '16/B374D848'],
  ["'pg_class'::regclass", 'pg_class'],
  ['NULL::int', null],
  ['NULL', null],
  ['pg_sleep(0)', ''],
];

suite('a value has the type that the driver gives it', () => {
  for (const [expression, expected] of scalars) {
    test(expression, async () => {
      assert.deepEqual(await value(expression), expected);
    });
  }

  test('json and jsonb', async () => {
    assert.deepEqual(await value(`'{"b": [1, {"c": null}], "a": "é😀", "n": 1.50}'::jsonb`), { b: [1, { c: null }], a: 'é😀', n: 1.5 });
    assert.deepEqual(await value(`' {"a" : 1, "a": 2} '::json`), { a: 2 });
    assert.deepEqual([await value(`'"text"'::jsonb`), await value(`'null'::jsonb`), await value(`'7'::json`)], ['text', null, 7]);
  });

  test('bytea', async () => {
    assert.deepEqual([...(await value("'\\x00ff5c27'::bytea"))], [0, 255, 0x5c, 0x27]);
    assert.deepEqual([...(await value("''::bytea"))], []);
  });

  test('interval', async () => {
    const interval = await value("'1 year 2 mons 3 days 04:05:06.789'::interval");

    assert.deepEqual({ ...interval }, { years: 1, months: 2, days: 3, hours: 4, minutes: 5, seconds: 6, milliseconds: 789 });
    assert.deepEqual({ ...(await value("'-1 day -2 hours'::interval")) }, { days: -1, hours: -2 });
  });

  test('point and circle', async () => {
    assert.deepEqual(await value("'(1.5,-2)'::point"), { x: 1.5, y: -2 });
    assert.deepEqual(await value("'<(1,2),3>'::circle"), { x: 1, y: 2, radius: 3 });
  });
});

// [expression, the driver's parsed value]
const arrays = [
  ["'{}'::int[]", []],
  ['ARRAY[1, NULL, 3]', [1, null, 3]],
  ['ARRAY[[1, 2], [3, 4]]', [[1, 2], [3, 4]]],
  ["'[2:3]={5,6}'::int[]", [5, 6]],
  ['ARRAY[9007199254740993, NULL]::int8[]', ['9007199254740993', null]],
  ['ARRAY[true, false, NULL]', [true, false, null]],
  ["ARRAY[1.5, 'NaN']::float8[]", [1.5, NaN]],
  ["ARRAY['a,b', '{}', NULL, 'NULL', '', '\"\\', 'é😀']", ['a,b', '{}', null, 'NULL', '', '"\\', 'é😀']],
  ["ARRAY[['a', NULL], ['c', 'd']]", [['a', null], ['c', 'd']]],
  [`ARRAY['{"a": [1]}', 'null', NULL]::jsonb[]`, [{ a: [1] }, null, null]],
  ["ARRAY['2026-01-02 03:04:05+00', NULL]::timestamptz[]", [new Date('2026-01-02T03:04:05Z'), null]],
  ["ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']::uuid[]", ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
  ["ARRAY['in \"love\"', 'ok']::mood[]", '{"in \\"love\\"",ok}'],
];

suite('an array is an array of what its elements are', () => {
  for (const [expression, expected] of arrays) {
    test(expression, async () => {
      assert.deepEqual(await value(expression), expected);
    });
  }

  test('bytea[]', async () => {
    const bytes = await value("ARRAY['\\x00ff', NULL, '\\x']::bytea[]");

    assert.deepEqual(bytes.map((element) => element && [...element]), [[0, 255], null, []]);
  });
});

suite('type parsers of the caller', () => {
  test('they are given the text of each value, and the OID of its type', async () => {
    const seen = [];
    const parsers = {
      getTypeParser: (oid) => (text) => {
        seen.push([oid, text]);
        return `${oid}: ${text}`;
      },
    };

    const [row] = await sql.query("SELECT 1.50 AS a, 'x'::text AS b, NULL::int AS c, '{1,2}'::int[] AS d, true AS e", [], { types: parsers });

    assert.deepEqual(row, { a: '1700: 1.50', b: '25: x', c: null, d: '1007: {1,2}', e: '16: t' });
    assert.equal(seen.length, 4);
  });

  test('of neon() and of a query', async () => {
    const parsers = { getTypeParser: (oid) => (oid === types.builtins.INT8 ? BigInt : types.getTypeParser(oid)) };

    const [row] = await neon(connectionString).query('SELECT 9007199254740993::int8 AS big, 1 AS small', [], { types: parsers });

    assert.deepEqual(row, { big: 9007199254740993n, small: 1 });
  });

  test('types that were made a moment ago have their OIDs', async () => {
    await direct.script("CREATE TYPE fresh AS ENUM ('new')");
    const [{ oid, list }] = await direct.rows("SELECT 'fresh'::regtype::oid AS oid, 'fresh[]'::regtype::oid AS list");

    const { fields, rows } = await sql.query("SELECT 'new'::fresh AS one, ARRAY['new']::fresh[] AS several", [], { fullResults: true });

    assert.deepEqual(fields.map((field) => field.dataTypeID), [oid, list]);
    assert.deepEqual(rows, [{ one: 'new', several: '{new}' }]);
  });
});
