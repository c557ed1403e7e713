// What a team writes that has Fastify and pg: `POST /`, the rows of the table as NDJSON, by pg-query-stream. Values are as
// pg and JSON.stringify give them.
// Its environment says where: PORT and DSN.
import { pipeline, Transform } from 'node:stream';
import fastify from 'fastify';
import pg from 'pg';
import QueryStream from 'pg-query-stream';

// Rows of a trip to PostgreSQL; with the default of 100 it is slower, with 10,000 no faster.
const BATCH_SIZE = 1000;
// Written at a time: with a write for each row it is slower.
const CHUNK_LENGTH = 65536;

const pool = new pg.Pool({ connectionString: process.env.DSN, max: 16 });
// An idle session that is lost is none of ours.
pool.on('error', () => {});

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

const server = fastify({ logger: false });
server.post('/', async (_, reply) => {
  const client = await pool.connect();
  const rows = client.query(
    new QueryStream('SELECT id, name, at, amount, active, detail FROM stream_rows', [], { batchSize: BATCH_SIZE }),
  );
  reply.type('application/x-ndjson');
  return reply.send(pipeline(rows, lines(), (error) => client.release(error)));
});
await server.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
