// PostGraphile with the settings for production: `POST /graphql`. The page is a generated connection. The update is a
// function, because the generated mutations can't add.
// Environment: PORT and DSN.
import { createServer } from 'node:http';
import pg from 'pg';
import { postgraphile } from 'postgraphile';

// The pool must not close its idle sessions during the turns of other contestants.
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
