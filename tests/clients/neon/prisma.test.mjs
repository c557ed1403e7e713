import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, beforeEach, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { PrismaNeonHttp } from '@prisma/adapter-neon';
import { connectionString, Direct, rejection } from './gateway.mjs';

let direct;
let db;
let Prisma;

before(async () => {
  // The client is generated from the schema, into the packages, and never committed.
  await promisify(execFile)('node_modules/.bin/prisma', ['generate', '--schema=schema.prisma'], { timeout: 60_000 });
  const client = createRequire(import.meta.url)('@prisma/client');
  ({ Prisma } = client);
  db = new client.PrismaClient({ adapter: new PrismaNeonHttp(connectionString, {}) });

  direct = await Direct.connect();
  await direct.script(`
    CREATE TYPE "Role" AS ENUM ('READER', 'WRITER');
    CREATE TABLE "Author" (id bigserial PRIMARY KEY, email text NOT NULL, name text NOT NULL, role "Role" NOT NULL DEFAULT 'READER', profile jsonb);
    CREATE UNIQUE INDEX "Author_email_key" ON "Author" (email);
    CREATE TABLE "Book" (
      id serial PRIMARY KEY, title text NOT NULL, "authorId" bigint NOT NULL, price numeric(12, 2), tags text[],
      CONSTRAINT "Book_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "Author" ON DELETE RESTRICT ON UPDATE CASCADE);
    CREATE UNIQUE INDEX "Book_authorId_title_key" ON "Book" ("authorId", title);
    CREATE TABLE "Kinds" (
      id uuid PRIMARY KEY, big bigint, exact numeric(65, 30), double float8, flag boolean, moment timestamptz(3), local timestamp(3), day date, at time(3),
      json jsonb, bytes bytea, role "Role", numbers int[], bigs bigint[], decimals numeric(65, 30)[], words text[], moments timestamp(3)[], jsons jsonb[],
      roles "Role"[], changed timestamp(3) NOT NULL)`);
});

beforeEach(() => direct.script(`
  TRUNCATE "Author", "Book", "Kinds" RESTART IDENTITY;
  INSERT INTO "Author" (email, name, role, profile) VALUES
    ('virginia@example.org', 'Virginia', 'WRITER', '{"born": 1882}'), ('oscar@example.org', 'Oscar', 'READER', NULL);
  INSERT INTO "Book" (title, "authorId", price, tags) VALUES ('Orlando', 1, 12.50, '{time,"a, b"}'), ('The Waves', 1, NULL, '{}'), ('Salomé', 2, 8, '{}')`));

after(async () => {
  await direct?.end();
  await db?.$disconnect();
});

suite('rows', () => {
  test('create', async () => {
    const author = await db.author.create({ data: { email: 'new@example.org', name: "N'ew", profile: { a: [1, null, { b: 'é😀' }] } } });

    assert.deepEqual(author, { id: 3n, email: 'new@example.org', name: "N'ew", role: 'READER', profile: { a: [1, null, { b: 'é😀' }] } });
    assert.deepEqual(await direct.rows('SELECT name FROM "Author" WHERE id = 3'), [{ name: "N'ew" }]);
  });

  test('createMany, and with what is made', async () => {
    const data = [{ authorId: 2n, title: 'De Profundis', tags: ['x', 'y "z"'] }, { authorId: 2n, title: 'Lady', price: '9.99' }];

    assert.deepEqual(await db.book.createMany({ data }), { count: 2 });
    assert.deepEqual(await db.book.createMany({ data, skipDuplicates: true }), { count: 0 });
    assert.equal((await db.author.createManyAndReturn({ data: [{ email: 'a@example.org', name: 'A' }, { email: 'b@example.org', name: 'B' }] })).length, 2);
  });

  test('findMany', async () => {
    const books = await db.book.findMany({ where: { price: { gt: 5 }, author: { email: { endsWith: 'example.org' } } }, orderBy: { id: 'desc' } });

    assert.deepEqual(books.map((book) => [book.id, book.title, book.authorId, String(book.price), book.tags]),
      [[3, 'Salomé', 2n, '8', []], [1, 'Orlando', 1n, '12.5', ['time', 'a, b']]]);
    assert.ok(Prisma.Decimal.isDecimal(books[0].price));
    assert.deepEqual(await db.book.findMany({ where: { tags: { has: 'a, b' } }, select: { title: true } }), [{ title: 'Orlando' }]);
    assert.deepEqual(await db.author.findMany({ where: { profile: { path: ['born'], equals: 1882 } }, select: { name: true } }), [{ name: 'Virginia' }]);
    assert.deepEqual(await db.author.findMany({ skip: 1, take: 1, orderBy: { id: 'asc' }, select: { id: true } }), [{ id: 2n }]);
  });

  test('findUnique, and what is not there', async () => {
    assert.equal((await db.author.findUnique({ where: { email: 'oscar@example.org' } })).id, 2n);
    assert.equal((await db.book.findUnique({ where: { authorId_title: { authorId: 1n, title: 'The Waves' } } })).id, 2);
    assert.equal(await db.author.findUnique({ where: { id: 99n } }), null);
    assert.equal((await rejection(db.author.findUniqueOrThrow({ where: { id: 99n } }))).code, 'P2025');
  });

  test('include', async () => {
    const authors = await db.author.findMany({
      include: { books: { orderBy: { id: 'asc' }, select: { title: true, price: true } } }, orderBy: { id: 'asc' },
    });
    const book = await db.book.findFirst({ where: { title: 'Salomé' }, include: { author: true } });

    assert.deepEqual(authors.map((author) => [author.name, author.books.map((book) => [book.title, book.price && String(book.price)])]),
      [['Virginia', [['Orlando', '12.5'], ['The Waves', null]]], ['Oscar', [['Salomé', '8']]]]);
    assert.deepEqual(book.author, { id: 2n, email: 'oscar@example.org', name: 'Oscar', role: 'READER', profile: null });
  });

  test('counts and aggregates', async () => {
    assert.equal(await db.book.count({ where: { authorId: 1n } }), 2);
    const { _sum, _avg, _max } = await db.book.aggregate({ _sum: { price: true }, _avg: { price: true }, _max: { id: true } });
    assert.deepEqual([String(_sum.price), String(_avg.price), _max.id], ['20.5', '10.25', 3]);
    assert.deepEqual(await db.book.groupBy({ by: ['authorId'], _count: true, orderBy: { authorId: 'asc' } }),
      [{ authorId: 1n, _count: 2 }, { authorId: 2n, _count: 1 }]);
  });

  test('update', async () => {
    const updated = await db.book.update({ where: { id: 1 }, data: { price: { increment: '0.01' }, tags: { push: 'new' } } });

    assert.deepEqual([String(updated.price), updated.tags], ['12.51', ['time', 'a, b', 'new']]);
    assert.deepEqual(await db.book.updateMany({ where: { authorId: 1n }, data: { price: null } }), { count: 2 });
    assert.equal((await rejection(db.book.update({ where: { id: 99 }, data: { title: 'x' } }))).code, 'P2025');
  });

  test('delete', async () => {
    assert.equal((await db.book.delete({ where: { id: 3 } })).title, 'Salomé');
    assert.deepEqual(await db.book.deleteMany({ where: { authorId: 1n } }), { count: 2 });
    assert.deepEqual(await direct.rows('SELECT * FROM "Book"'), []);
  });
});

suite('types', () => {
  const data = {
    id: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', big: 9223372036854775807n, exact: '12345678901234567890.123456789', double: 0.1, flag: true,
    moment: new Date('2026-01-02T03:04:05.678Z'), local: new Date('2026-07-02T03:04:05.678Z'), day: new Date('2026-01-02T00:00:00Z'),
    at: new Date('1970-01-01T12:34:56.789Z'), json: { text: "it's é😀", list: [1, 'x', null] }, bytes: new Uint8Array([0, 255, 92]), role: 'WRITER',
    numbers: [1, 2], bigs: [1n, 9223372036854775807n], decimals: ['1.50'], words: ['a,b', '', 'NULL', '"\\', 'é😀'],
    moments: [new Date('2026-01-02T03:04:05.678Z')], jsons: [{ a: 'x"y' }, [1]], roles: ['READER', 'WRITER'],
  };

  test('each comes back as it went', async () => {
    await db.kinds.create({ data });
    const { changed, exact, decimals, bytes, ...came } = await db.kinds.findUnique({ where: { id: data.id } });
    const { exact: _, decimals: __, bytes: ___, ...went } = data;

    assert.deepEqual(came, went);
    assert.equal(exact.toFixed(), data.exact);
    assert.deepEqual(decimals.map((decimal) => decimal.toFixed()), ['1.5']);
    assert.deepEqual([...bytes], [0, 255, 92]);
    assert.ok(Math.abs(changed - Date.now()) < 60_000);
    assert.deepEqual(await direct.rows(`
      SELECT big::text, moment = '2026-01-02 03:04:05.678+00' AS moment, local = '2026-07-02 03:04:05.678' AS local, at::text, day::text,
             encode(bytes, 'hex') AS bytes, words[5] AS word FROM "Kinds"`),
      [{ big: '9223372036854775807', moment: true, local: true, at: '12:34:56.789', day: '2026-01-02', bytes: '00ff5c', word: 'é😀' }]);
  });

  test('and is found by', async () => {
    await db.kinds.create({ data });

    for (const name of ['id', 'big', 'exact', 'double', 'flag', 'moment', 'local', 'day', 'at', 'role'])
      assert.equal(await db.kinds.count({ where: { [name]: data[name] } }), 1, name);
  });

  test('NULL in each', async () => {
    await db.kinds.create({ data: { id: data.id } });
    const { id, changed, ...others } = await db.kinds.findFirst();

    assert.deepEqual(Object.values(others).filter((value) => value !== null && value.length !== 0), []);
  });
});

suite('transactions and SQL', () => {
  test('what needs a transaction is refused by the package itself', async () => {
    const refused = /Transactions are not supported in HTTP mode/;

    assert.match((await rejection(db.$transaction([db.author.count(), db.book.count()]))).message, refused);
    assert.match((await rejection(db.$transaction(async (own) => own.author.count()))).message, refused);
    // A write of several statements is atomic.
    assert.match((await rejection(db.author.create({ data: { email: 'x@example.org', name: 'X', books: { create: { title: 'Y' } } } }))).message, refused);
    assert.deepEqual(await direct.rows('SELECT count(*)::int AS n FROM "Author"'), [{ n: 2 }]);
  });

  test('$queryRaw', async () => {
    const [row] = await db.$queryRaw`
      SELECT ${1}::int AS one, ${'x'}::text AS x, 9007199254740993::bigint AS big, 1.50::numeric AS exact, '2026-01-02 03:04:05+00'::timestamptz AS at,
             '{"a": 1}'::jsonb AS json, NULL::int AS none, ARRAY[1, 2] AS numbers, true AS flag`;

    assert.equal(String(row.exact), '1.5');
    assert.deepEqual({ ...row, exact: null }, {
      one: 1, x: 'x', big: 9007199254740993n, exact: null, at: new Date('2026-01-02T03:04:05Z'), json: { a: 1 }, none: null, numbers: [1, 2], flag: true,
    });
  });

  test('$executeRaw', async () => {
    assert.equal(await db.$executeRaw`UPDATE "Book" SET price = ${'1.25'}::numeric WHERE "authorId" = ${1n}`, 2);
    assert.equal(await db.$executeRawUnsafe('DELETE FROM "Book" WHERE title = $1', 'Salomé'), 1);
  });
});

// The package maps PostgreSQL's codes to its own (P2002 and so on) in its WebSocket adapter only: over HTTP they are
// unchanged.
suite('errors', () => {
  test('a unique violation', async () => {
    const one = await rejection(db.author.create({ data: { email: 'oscar@example.org', name: 'Again' } }));
    const two = await rejection(db.book.create({ data: { authorId: 1n, title: 'Orlando' } }));

    assert.deepEqual([one.code, two.code], ['23505', '23505']);
    assert.match(one.message, /duplicate key value violates unique constraint "Author_email_key"/);
    assert.match(two.message, /"Book_authorId_title_key"/);
  });

  test('a foreign key', async () => {
    const missing = await rejection(db.book.create({ data: { authorId: 99n, title: 'x' } }));
    const used = await rejection(db.author.delete({ where: { id: 1n } }));

    assert.equal(missing.code, '23503');
    // From PostgreSQL 18 on RESTRICT has its own code.
    assert.ok(['23503', '23001'].includes(used.code));
    assert.match(used.message, /"Book_authorId_fkey"/);
  });

  test('a statement that fails', async () => {
    const error = await rejection(db.$queryRaw`SELECT nowhere`);

    assert.equal(error.code, '42703');
    assert.match(error.message, /column "nowhere" does not exist/);
  });

  test('a value out of its range, and a table that is not there', async () => {
    assert.equal((await rejection(db.book.create({ data: { authorId: 1n, title: 'x', price: '99999999999' } }))).code, '22003');
    await direct.script('ALTER TABLE "Kinds" RENAME TO "Other"');
    try {
      assert.equal((await rejection(db.kinds.count())).code, '42P01');
    } finally {
      await direct.script('ALTER TABLE "Other" RENAME TO "Kinds"');
    }
  });
});
