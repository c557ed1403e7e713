// A client from @hey-api/openapi-ts. tsc checks its types, and running it checks its behaviour: program URL.

import { createClient } from './hey-api/client/index.js';
import { execute, findActivity, query } from './hey-api/index.js';
import type { Problem, QueryResponse } from './hey-api/index.js';
import { executed, expect, queried, refused } from './check.js';

declare const process: { argv: string[] };

const client = createClient({ baseUrl: process.argv[2] ?? '' });

const rows = await query({ client, body: queried });
expect(rows.data !== undefined, 'an answer');
const answer: QueryResponse = rows.data;
const row = answer.rows[0];
expect(row !== undefined && !Array.isArray(row), 'a row that is an object');
expect(row['email'] === 'ada@example.org' && answer.rowCount === 1 && !answer.truncated, 'the row of Ada');
expect(answer.columns[0]?.type === 'bigint', 'the type of a column');

const first = await execute({ client, body: executed('hey-api') });
const again = await execute({ client, body: { ...executed('hey-api'), attempt: 2 } });
expect(first.data !== undefined && again.data !== undefined, 'two answers');
expect(JSON.stringify(first.data) === JSON.stringify(again.data), 'one effect');
expect(again.response?.headers.get('Idempotent-Replayed') === 'true', 'a replay');

const failed = await execute({ client, body: refused('hey-api') });
expect(failed.error !== undefined, 'a problem');
const problem: Problem = failed.error;
expect(problem.code === 'sql_error' && problem.constraint === 'users_email_key', 'what PostgreSQL refused');
expect(problem.committed === 'no' && !problem.retryable, 'what an engine goes by');

const activity = await findActivity({ client, path: { activityId: 'generated/execute/hey-api' } });
expect(activity.data?.status === 'completed', 'a completed activity');

// tsc reports an error if these lines have none, for example with types that accept anything.
// @ts-expect-error
export const misspelt = () => query({ client, body: { activityId: 'a', sqll: 'SELECT 1' } });
// @ts-expect-error
export const isUnheardOf = problem.code === 'unheard_of';

console.log('hey-api: all as expected');
