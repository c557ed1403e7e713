// What PostGraphile makes of the tables by itself: `POST /graphql`, set up as for production. The page is one of its
// connections, and the update a function, since the mutations that it generates can't add.
// Its environment says where: PORT and DSN.
import { createServer } from 'node:http';
import pg from 'pg';
import { postgraphile } from 'postgraphile';

// Idle sessions would be closed while others have their turns.
const pool = new pg.Pool({ connectionString: process.env.DSN, max: 16, idleTimeoutMillis: 0 });
const handler = postgraphile(pool, 'public', {
  graphiql: false,
  watchPg: false,
  disableQueryLog: true,
  dynamicJson: true,
  ignoreRBAC: false,
  setofFunctionsContainNulls: false,
  legacyRelations: 'omit',
});
createServer(handler).listen(Number(process.env.PORT), '127.0.0.1');
