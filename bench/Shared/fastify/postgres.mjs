import { Readable } from 'node:stream';
import postgres from 'postgres';
import { BATCH_SIZE, CHUNK_LENGTH } from './batches.mjs';

const sql = postgres(process.env.DSN, { max: 16 });

// Prepared statements, as with the driver's tagged templates, its usual interface.
const PREPARED = { prepare: true };

export function query(text, values) {
  return sql.unsafe(text, values, PREPARED);
}

export function transaction(run) {
  return sql.begin((session) => run((text, values) => session.unsafe(text, values, PREPARED)));
}

async function* lines(text) {
  let chunk = '';
  for await (const rows of sql.unsafe(text).cursor(BATCH_SIZE)) {
    for (const row of rows) {
      chunk += JSON.stringify(row) + '\n';
      if (chunk.length >= CHUNK_LENGTH) {
        yield chunk;
        chunk = '';
      }
    }
  }
  yield chunk;
}

export function stream(text, reply) {
  return reply.send(Readable.from(lines(text), { objectMode: false }));
}
