import { pipeline, Transform } from 'node:stream';
import pg from 'pg';
import QueryStream from 'pg-query-stream';
import { BATCH_SIZE, CHUNK_LENGTH } from './batches.mjs';

// The pool must not close its idle sessions during the turns of other contestants.
const pool = new pg.Pool({ connectionString: process.env.DSN, max: 16, idleTimeoutMillis: 0 });
// The loss of an idle session must not end the process.
pool.on('error', () => {});

export async function query(text, values) {
  return (await pool.query(text, values)).rows;
}

export async function transaction(run) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await run(async (text, values) => (await client.query(text, values)).rows);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

function lines() {
  let text = '';
  return new Transform({
    writableObjectMode: true,
    writableHighWaterMark: BATCH_SIZE,
    transform(row, _, done) {
      text += JSON.stringify(row) + '\n';
      if (text.length >= CHUNK_LENGTH) {
        this.push(text);
        text = '';
      }
      done();
    },
    flush(done) {
      done(null, text);
    },
  });
}

export async function stream(text, reply) {
  const client = await pool.connect();
  const rows = client.query(new QueryStream(text, [], { batchSize: BATCH_SIZE }));
  return reply.send(pipeline(rows, lines(), (error) => client.release(error)));
}
