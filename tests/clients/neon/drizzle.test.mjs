import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { NeonDbError } from '@neondatabase/serverless';
import { and, asc, count, desc, eq, gt, inArray, isNull, relations, sql, sum } from 'drizzle-orm';
import {
  bigint, bigserial, boolean, customType, date, doublePrecision, integer, interval, jsonb, numeric, pgEnum, pgTable, text, time, timestamp,
  uniqueIndex, uuid,
} from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/neon-http';
import { connectionString, Direct, key, rejection, sql as client, stringOf } from './gateway.mjs';

const genre = pgEnum('genre', ['novel', 'play', 'essay']);

const authors = pgTable('authors', {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  email: text('email').notNull().unique(),
  name: text('name').notNull(),
  profile: jsonb('profile'),
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
});

const books = pgTable('books', {
  id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
  authorId: bigint('author_id', { mode: 'number' }).notNull().references(() => authors.id),
  title: text('title').notNull(),
  genre: genre('genre').notNull().default('novel'),
  price: numeric('price', { precision: 12, scale: 2 }),
  tags: text('tags').array().notNull().default([]),
  published: date('published'),
}, (table) => [uniqueIndex('books_once').on(table.authorId, table.title)]);

const bytea = customType({ dataType: () => 'bytea' });

const kinds = pgTable('kinds', {
  id: integer('id').primaryKey(),
  bigNumber: bigint('big_number', { mode: 'number' }),
  big: bigint('big', { mode: 'bigint' }),
  exact: numeric('exact'),
  exactNumber: numeric('exact_number', { mode: 'number' }),
  exactBig: numeric('exact_big', { mode: 'bigint' }),
  double: doublePrecision('double'),
  flag: boolean('flag'),
  uuid: uuid('uuid'),
  moment: timestamp('moment', { withTimezone: true }),
  momentText: timestamp('moment_text', { withTimezone: true, mode: 'string' }),
  local: timestamp('local'),
  localText: timestamp('local_text', { mode: 'string' }),
  day: date('day', { mode: 'date' }),
  dayText: date('day_text'),
  at: time('at'),
  lasting: interval('lasting'),
  json: jsonb('json'),
  numbers: integer('numbers').array(),
  matrix: integer('matrix').array().array(),
  bigs: bigint('bigs', { mode: 'bigint' }).array(),
  words: text('words').array(),
  moments: timestamp('moments', { withTimezone: true }).array(),
  bytes: bytea('bytes'),
});

const authorsRelations = relations(authors, ({ many }) => ({ books: many(books) }));
const booksRelations = relations(books, ({ one }) => ({ author: one(authors, { fields: [books.authorId], references: [authors.id] }) }));

const db = drizzle({ client, schema: { authors, books, kinds, authorsRelations, booksRelations } });
let direct;

before(async () => {
  direct = await Direct.connect();
  await direct.script(`
    CREATE TYPE genre AS ENUM ('novel', 'play', 'essay');
    CREATE TABLE authors (
      id bigserial PRIMARY KEY, email text NOT NULL CONSTRAINT authors_email_unique UNIQUE, name text NOT NULL, profile jsonb,
      created_at timestamptz(3) NOT NULL DEFAULT now());
    CREATE TABLE books (
      id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, author_id bigint NOT NULL REFERENCES authors, title text NOT NULL,
      genre genre NOT NULL DEFAULT 'novel', price numeric(12, 2), tags text[] NOT NULL DEFAULT '{}', published date);
    CREATE UNIQUE INDEX books_once ON books (author_id, title);
    CREATE TABLE kinds (
      id int PRIMARY KEY, big_number bigint, big bigint, exact numeric, exact_number numeric, exact_big numeric, double float8, flag boolean,
      uuid uuid, moment timestamptz, moment_text timestamptz, local timestamp, local_text timestamp, day date, day_text date, at time,
      lasting interval, json jsonb, numbers int[], matrix int[][], bigs bigint[], words text[], moments timestamptz[], bytes bytea)`);
});

beforeEach(() => direct.script(`
  TRUNCATE authors, books, kinds RESTART IDENTITY;
  INSERT INTO authors (email, name, profile, created_at) VALUES
    ('virginia@example.org', 'Virginia', '{"born": 1882}', '2026-01-02 03:04:05.678+00'), ('oscar@example.org', 'Oscar', NULL, '2026-02-03 00:00:00+00');
  INSERT INTO books (author_id, title, genre, price, tags, published) VALUES
    (1, 'Orlando', 'novel', 12.50, '{time,"a, b"}', '1928-10-11'), (1, 'The Waves', 'novel', NULL, '{}', '1931-10-08'),
    (2, 'Salomé', 'play', 8.00, '{}', NULL)`));

after(() => direct.end());

suite('rows', () => {
  test('insert returning', async () => {
    const [author] = await db.insert(authors).values({ email: 'new@example.org', name: "N'ew", profile: { a: [1, null] } }).returning();

    assert.equal(author.id, 3);
    assert.deepEqual([author.email, author.name, author.profile], ['new@example.org', "N'ew", { a: [1, null] }]);
    assert.ok(author.createdAt instanceof Date);
  });

  test('insert of many, and without returning', async () => {
    const result = await db.insert(books).values([
      { authorId: 2, title: 'An Ideal Husband', genre: 'play', price: '9.99', tags: ['x', 'y "z"'] }, { authorId: 2, title: 'De Profundis', genre: 'essay' },
    ]);

    assert.deepEqual([result.command, result.rowCount], ['INSERT', 2]);
    assert.deepEqual(await direct.rows("SELECT price, tags FROM books WHERE title LIKE 'An %'"), [{ price: '9.99', tags: ['x', 'y "z"'] }]);
  });

  test('insert on conflict', async () => {
    const kept = await db.insert(authors).values({ email: 'oscar@example.org', name: 'Other' }).onConflictDoNothing().returning();
    const [changed] = await db.insert(authors).values({ email: 'oscar@example.org', name: 'Oscar Wilde' })
      .onConflictDoUpdate({ target: authors.email, set: { name: sql`excluded.name` } }).returning({ id: authors.id, name: authors.name });

    assert.deepEqual(kept, []);
    assert.deepEqual(changed, { id: 2, name: 'Oscar Wilde' });
  });

  test('select', async () => {
    assert.deepEqual(await db.select().from(authors).where(eq(authors.id, 1)), [{
      id: 1, email: 'virginia@example.org', name: 'Virginia', profile: { born: 1882 }, createdAt: new Date('2026-01-02T03:04:05.678Z'),
    }]);
    assert.deepEqual(await db.select({ title: books.title, price: books.price }).from(books)
      .where(and(inArray(books.genre, ['novel', 'play']), gt(books.id, 1))).orderBy(desc(books.id)).limit(1),
      [{ title: 'Salomé', price: '8.00' }]);
    assert.deepEqual(await db.selectDistinct({ genre: books.genre }).from(books).orderBy(asc(books.genre)), [{ genre: 'novel' }, { genre: 'play' }]);
  });

  test('joins, whose columns have the same names', async () => {
    const rows = await db.select().from(books).innerJoin(authors, eq(books.authorId, authors.id)).where(eq(books.title, 'Orlando'));
    const [lonely] = await db.select({ author: authors.name, book: books }).from(authors)
      .leftJoin(books, and(eq(books.authorId, authors.id), isNull(books.title))).where(eq(authors.id, 2));

    assert.deepEqual(rows, [{
      books: { id: 1, authorId: 1, title: 'Orlando', genre: 'novel', price: '12.50', tags: ['time', 'a, b'], published: '1928-10-11' },
      authors: { id: 1, email: 'virginia@example.org', name: 'Virginia', profile: { born: 1882 }, createdAt: new Date('2026-01-02T03:04:05.678Z') },
    }]);
    assert.deepEqual(lonely, { author: 'Oscar', book: null });
  });

  test('aggregates and a subquery', async () => {
    const perAuthor = db.select({ authorId: books.authorId, n: count().as('n'), total: sum(books.price).as('total') }).from(books)
      .groupBy(books.authorId).as('per_author');

    assert.deepEqual(await db.select({ name: authors.name, n: perAuthor.n, total: perAuthor.total }).from(authors)
      .innerJoin(perAuthor, eq(perAuthor.authorId, authors.id)).orderBy(authors.id),
      [{ name: 'Virginia', n: 2, total: '12.50' }, { name: 'Oscar', n: 1, total: '8.00' }]);
    assert.equal(await db.$count(books, eq(books.genre, 'novel')), 2);
  });

  test('update and delete', async () => {
    const updated = await db.update(books).set({ price: sql`coalesce(${books.price}, 0) + ${1}`, tags: [] }).where(eq(books.authorId, 1))
      .returning({ id: books.id, price: books.price, tags: books.tags });
    const deleted = await db.delete(books).where(eq(books.id, 3));

    assert.deepEqual(updated.sort((a, b) => a.id - b.id), [{ id: 1, price: '13.50', tags: [] }, { id: 2, price: '1.00', tags: [] }]);
    assert.deepEqual([deleted.command, deleted.rowCount], ['DELETE', 1]);
    assert.deepEqual(await direct.rows('SELECT count(*)::int AS n FROM books'), [{ n: 2 }]);
  });

  test('a prepared query with placeholders', async () => {
    const byEmail = db.select({ id: authors.id }).from(authors).where(eq(authors.email, sql.placeholder('email'))).prepare('by_email');

    assert.deepEqual(await byEmail.execute({ email: 'oscar@example.org' }), [{ id: 2 }]);
    assert.deepEqual(await byEmail.execute({ email: 'nobody@example.org' }), []);
  });

  test('SQL as it is written', async () => {
    const { rows, rowCount, fields } = await db.execute(sql`SELECT ${authors.id} AS id, ${'x'}::text AS x FROM ${authors} ORDER BY 1`);

    assert.deepEqual(rows, [{ id: '1', x: 'x' }, { id: '2', x: 'x' }]);
    assert.equal(rowCount, 2);
    assert.deepEqual(fields.map((field) => field.name), ['id', 'x']);
  });
});

suite('relations', () => {
  test('of many', async () => {
    const found = await db.query.authors.findMany({
      columns: { name: true }, orderBy: asc(authors.id),
      with: { books: { columns: { title: true, price: true, tags: true, published: true }, orderBy: asc(books.id) } },
    });

    // The package queries related rows as JSON, whose numbers are JavaScript numbers with any driver.
    assert.deepEqual(found, [
      { name: 'Virginia', books: [
        { title: 'Orlando', price: '12.5', tags: ['time', 'a, b'], published: '1928-10-11' },
        { title: 'The Waves', price: null, tags: [], published: '1931-10-08' },
      ] },
      { name: 'Oscar', books: [{ title: 'Salomé', price: '8', tags: [], published: null }] },
    ]);
  });

  test('of one, and of one of many', async () => {
    const book = await db.query.books.findFirst({
      where: eq(books.title, 'Salomé'), columns: { id: true }, with: { author: { with: { books: { columns: { title: true } } } } },
    });

    assert.equal(book.author.email, 'oscar@example.org');
    assert.deepEqual(book.author.createdAt, new Date('2026-02-03T00:00:00Z'));
    assert.deepEqual(book.author.books, [{ title: 'Salomé' }]);
    assert.equal(await db.query.books.findFirst({ where: eq(books.id, 99) }), undefined);
  });
});

suite('types', () => {
  const row = {
    id: 1, bigNumber: Number.MAX_SAFE_INTEGER, big: 9223372036854775807n, exact: '12345678901234567890.123456789', exactNumber: 1.5,
    exactBig: 123456789012345678901234567890n, double: 0.1, flag: true, uuid: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    moment: new Date('2026-01-02T03:04:05.678Z'), momentText: '2026-01-02 03:04:05.678901+00', local: new Date('2026-01-02T03:04:05.678Z'),
    localText: '2026-01-02 03:04:05.678901', day: new Date('2026-01-02T00:00:00Z'), dayText: '2026-01-02', at: '12:34:56.789', lasting: '1 day 02:00:00',
    json: { text: "it's é😀", list: [1, 'x', null, { a: false }], none: null }, numbers: [1, 2, 3], matrix: [[1, 2], [3, 4]],
    bigs: [1n, 9223372036854775807n], words: ['a,b', '', 'NULL', '"\\', 'é😀'], moments: [new Date('2026-01-02T03:04:05.678Z')],
    bytes: Buffer.from([0, 255, 92]),
  };

  test('each comes back as it went', async () => {
    const [inserted] = await db.insert(kinds).values(row).returning();
    const [selected] = await db.select().from(kinds);

    // The bytes have the driver's own class.
    for (const came of [inserted, selected])
      assert.deepEqual({ ...came, bytes: Buffer.from(came.bytes) }, row);
    assert.deepEqual(await direct.rows(`
      SELECT big::text, moment = '2026-01-02 03:04:05.678+00' AS moment, local = '2026-01-02 03:04:05.678' AS local,
             json ->> 'text' AS json, matrix[2][1] AS matrix
        FROM kinds`), [{ big: '9223372036854775807', moment: true, local: true, json: "it's é😀", matrix: 3 }]);
  });

  test('NULL in each', async () => {
    await db.insert(kinds).values({ id: 2 });
    const [{ id, ...others }] = await db.select().from(kinds);

    assert.equal(id, 2);
    assert.ok(Object.values(others).every((value) => value === null));
    assert.equal(Object.keys(others).length, 23);
  });

  test('jsonb that is no object', async () => {
    for (const json of [7, true, [1, 2], []]) {
      await direct.script('TRUNCATE kinds');
      await db.insert(kinds).values({ id: 1, json });

      assert.deepEqual((await db.select({ json: kinds.json }).from(kinds))[0].json, json);
    }
  });
});

suite('batches and errors', () => {
  test('a batch is one transaction, and each result has its query\'s form', async () => {
    const [inserted, listed, found, counted] = await db.batch([
      db.insert(authors).values({ email: 'third@example.org', name: 'Third' }).returning({ id: authors.id }),
      db.select({ name: authors.name }).from(authors).orderBy(asc(authors.id)),
      db.query.books.findMany({ columns: { title: true }, with: { author: { columns: { name: true } } }, orderBy: asc(books.id), limit: 1 }),
      db.execute(sql`SELECT count(*)::int AS n FROM authors`),
    ]);

    assert.deepEqual(inserted, [{ id: 3 }]);
    assert.deepEqual(listed, [{ name: 'Virginia' }, { name: 'Oscar' }, { name: 'Third' }]);
    assert.deepEqual(found, [{ title: 'Orlando', author: { name: 'Virginia' } }]);
    assert.deepEqual(counted.rows, [{ n: 3 }]);
  });

  test('a batch that fails leaves nothing', async () => {
    await rejection(db.batch([
      db.delete(books).where(eq(books.id, 1)), db.insert(authors).values({ email: 'oscar@example.org', name: 'Again' }),
    ]));

    assert.deepEqual(await direct.rows('SELECT count(*)::int AS n FROM books'), [{ n: 3 }]);
  });

  test('an error has PostgreSQL\'s for its cause', async () => {
    const { cause } = await rejection(db.insert(authors).values({ email: 'oscar@example.org', name: 'Again' }));

    assert.ok(cause instanceof NeonDbError);
    assert.deepEqual([cause.code, cause.constraint, cause.table], ['23505', 'authors_email_unique', 'authors']);
  });

  test('an interactive transaction is refused by the package itself', async () => {
    assert.match((await rejection(db.transaction(async () => {}))).message, /No transactions support in neon-http driver/);
  });

  test('by a connection string alone, and with a token', async () => {
    const own = drizzle(connectionString, { schema: { authors } });
    const keyless = drizzle(stringOf('nothing'), { schema: { authors } });

    assert.deepEqual(await own.select({ id: authors.id }).from(authors).orderBy(authors.id), [{ id: 1 }, { id: 2 }]);
    assert.deepEqual(await keyless.$withAuth(key).select({ id: authors.id }).from(authors).where(eq(authors.id, 1)), [{ id: 1 }]);
  });
});
