import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { neon, NeonDbError } from '@neondatabase/serverless';
import { connectionString, Direct, rejection, sql } from './gateway.mjs';

let direct;

before(async () => {
  direct = await Direct.connect();
  await direct.script(`
    CREATE TABLE members (
      id int PRIMARY KEY, email text UNIQUE, age int CONSTRAINT adults CHECK (age >= 18), chief int REFERENCES members, name text NOT NULL);
    INSERT INTO members VALUES (1, 'ada@example.org', 36, NULL, 'Ada');
    CREATE TABLE pairs (a text, b text, UNIQUE (a, b));
    INSERT INTO pairs VALUES ('first', 'second')`);
});

after(() => direct.end());

/** The fields that an error has, without the position in PostgreSQL's source. */
function fieldsOf(error) {
  assert.ok(error instanceof NeonDbError);
  const { name, message, file, line, routine, ...fields } = { ...error, message: error.message, name: error.name };
  return { message, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) };
}

suite('PostgreSQL refuses', () => {
  test('a unique violation', async () => {
    const error = await rejection(sql`INSERT INTO members VALUES (2, 'ada@example.org', 20, NULL, 'Other')`);

    assert.deepEqual(fieldsOf(error), {
      message: 'duplicate key value violates unique constraint "members_email_key"',
      severity: 'ERROR', code: '23505', detail: 'Key (email)=(…) already exists.',
      schema: 'public', table: 'members', constraint: 'members_email_key',
    });
    assert.ok(error.file && error.routine && /^\d+$/.test(error.line));
  });

  test('a unique violation of parameters names the columns, and not the values', async () => {
    const one = await rejection(sql`INSERT INTO members VALUES (2, ${'ada@example.org'}, 20, NULL, 'Other')`);
    const two = await rejection(sql`INSERT INTO pairs VALUES (${'first'}, ${'second'})`);

    assert.equal(one.detail, 'Key (email)=(…) already exists.');
    assert.equal(two.detail, 'Key (a, b)=(…) already exists.');
  });

  test('a foreign key, a check, and NOT NULL', async () => {
    const foreign = fieldsOf(await rejection(sql`INSERT INTO members VALUES (2, NULL, 20, 99, 'Other')`));
    const check = fieldsOf(await rejection(sql`INSERT INTO members VALUES (2, NULL, 17, NULL, 'Other')`));
    const missing = fieldsOf(await rejection(sql`INSERT INTO members VALUES (2, NULL, 20, NULL, NULL)`));

    assert.deepEqual([foreign.code, foreign.constraint, foreign.table, foreign.detail],
      ['23503', 'members_chief_fkey', 'members', 'Key (chief)=(…) is not present in table "members".']);
    assert.deepEqual([check.code, check.constraint, check.detail], ['23514', 'adults', undefined]);
    assert.deepEqual([missing.code, missing.column, missing.table], ['23502', 'name', 'members']);
  });

  test('a syntax error has its position', async () => {
    assert.deepEqual(fieldsOf(await rejection(sql`SELECT 'é😀' FORM members`)), {
      message: 'syntax error at or near "members"', severity: 'ERROR', code: '42601', position: '18',
    });
  });

  test('a hint', async () => {
    const error = await rejection(sql`SELECT emall FROM members`);

    assert.deepEqual([error.code, error.position, error.hint],
      ['42703', '8', 'Perhaps you meant to reference the column "members.email".']);
  });

  test('input that a type cannot read is not shown', async () => {
    const error = await rejection(sql`SELECT ${'s3cret'}::int`);

    assert.deepEqual([error.code, error.message], ['22P02', 'invalid input syntax for type integer: $1']);
    assert.ok(!JSON.stringify({ ...error, message: error.message, stack: '' }).includes('s3cret'));
  });

  test('a failure within a function says where', async () => {
    const error = await rejection(sql`DO $$ BEGIN EXECUTE 'SELECT 1 + nowhere'; END $$`);

    assert.deepEqual([error.code, error.position, error.internalPosition, error.internalQuery], ['42703', undefined, '12', 'SELECT 1 + nowhere']);
    assert.match(error.where, /inline_code_block line 1 at EXECUTE/);
  });

  test('a failure that may pass the next time is an error with its code too', async () => {
    const error = await rejection(sql`DO $$ BEGIN RAISE lock_not_available; END $$`);

    assert.equal(error.code, '55P03');
  });

  test('nothing of a statement that failed is kept', async () => {
    await rejection(sql`INSERT INTO members SELECT n, NULL, 20, NULL, 'x' FROM generate_series(10, 1, -1) n`);

    assert.deepEqual(await direct.rows('SELECT count(*)::int AS n FROM members'), [{ n: 1 }]);
  });
});

suite('the gateway refuses', () => {
  test('two statements in one, and runs neither', async () => {
    const error = await rejection(sql.query("DELETE FROM pairs; INSERT INTO pairs VALUES ('x', 'y')"));

    assert.equal(error.name, 'NeonDbError');
    assert.equal(error.code, '42601');
    assert.equal(error.message, 'cannot insert multiple commands into a prepared statement');
    assert.deepEqual(await direct.rows('SELECT a FROM pairs'), [{ a: 'first' }]);
  });

  for (const text of ['BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'COPY members TO STDOUT', '/* hidden */ ; END']) {
    test(`${text}, since each request is a transaction of its own`, async () => {
      const error = await rejection(sql.query(text));

      assert.deepEqual([error.name, error.code], ['NeonDbError', 'sql_rejected']);
    });
  }

  test('a statement that needs to be outside of a transaction is PostgreSQL\'s to refuse', async () => {
    assert.equal((await rejection(sql`VACUUM members`)).code, '25001');
  });

  test('a wrong number of parameters', async () => {
    for (const [text, values] of [['SELECT $1::int, $2::int', [1]], ['SELECT $1::int', [1, 2]], ['SELECT $1::int', []], ['SELECT 1', [1]]]) {
      const error = await rejection(sql.query(text, values));

      assert.deepEqual([error.name, error.code], ['NeonDbError', 'invalid_request']);
      assert.match(error.message, /placeholder/);
    }
  });

  test('and works on after any of it', async () => {
    assert.deepEqual(await neon(connectionString)`SELECT 1 AS n`, [{ n: 1 }]);
  });
});
