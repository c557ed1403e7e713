// A client from openapi-typescript and openapi-fetch. tsc checks its types, and running it checks its behaviour:
// program URL.

import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';
import { executed, expect, queried, refused } from './check.js';

declare const process: { argv: string[] };

// Only JSON: a stream is read from the response, and not by its schema.
const gateway = createClient<paths, 'application/json' | 'application/problem+json'>({ baseUrl: process.argv[2] ?? '' });

const query = await gateway.POST('/v1/query', { body: queried });
expect(query.data !== undefined, 'an answer');
const answer: components['schemas']['QueryResponse'] = query.data;
const row = answer.rows[0];
expect(row !== undefined && !Array.isArray(row), 'a row that is an object');
expect(row['email'] === 'ada@example.org' && answer.rowCount === 1 && !answer.truncated, 'the row of Ada');
expect(answer.columns[0]?.type === 'bigint', 'the type of a column');

const first = await gateway.POST('/v1/execute', { body: executed('openapi-fetch') });
const again = await gateway.POST('/v1/execute', { body: { ...executed('openapi-fetch'), attempt: 2 } });
expect(first.data !== undefined && again.data !== undefined, 'two answers');
expect(JSON.stringify(first.data) === JSON.stringify(again.data), 'one effect');
expect(again.response.headers.get('Idempotent-Replayed') === 'true', 'a replay');

const failed = await gateway.POST('/v1/execute', { body: refused('openapi-fetch') });
expect(failed.error !== undefined, 'a problem');
const problem: components['schemas']['Problem'] = failed.error;
expect(problem.code === 'sql_error' && problem.constraint === 'users_email_key', 'what PostgreSQL refused');
expect(problem.committed === 'no' && !problem.retryable, 'what an engine goes by');

const activity = await gateway.GET('/v1/activities/{activityId}', {
  params: { path: { activityId: 'generated/execute/openapi-fetch' } },
});
expect(activity.data?.status === 'completed', 'a completed activity');

// tsc reports an error if these lines have none, for example with types that accept anything.
// @ts-expect-error
export const misspelt = () => gateway.POST('/v1/query', { body: { activityId: 'a', sqll: 'SELECT 1' } });
// @ts-expect-error
export const isUnheardOf = problem.code === 'unheard_of';

console.log('openapi-fetch: all as expected');
