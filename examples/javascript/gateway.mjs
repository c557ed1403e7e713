// The gateway from an activity, with nothing but `fetch` (Node.js 18 or later). Copy this file beside your workflow.
//
// A request is sent once. To send it again is the workflow engine's part, which keeps count and waits without holding
// a worker: GatewayError says whether to, and when.

const DEFAULT_URL = 'http://localhost:8080';
const DEFAULT_TIMEOUT_MS = 15_000;

// What the gateway itself is slow to say must still reach us, or a try that succeeded looks like one that failed.
const ANSWER_MARGIN_MS = 10_000;

/**
 * A request without the answer that it was sent for.
 *
 * code         the problem's code, such as `sql_error`; `unreachable` where no answer came
 * detail       what happened, in words
 * status       the HTTP status; undefined where no answer came
 * retryable    whether the same request, with the same activity ID, may yet succeed
 * retryAfter   the seconds to wait before, where the gateway names them
 * committed    `no`, `yes` or `unknown`: whether the effect was kept
 * problem      the whole problem, with `sqlState`, `constraint`, `errors` … where they apply
 */
export class GatewayError extends Error {
  name = 'GatewayError';

  constructor({ code, detail, status, retryable, retryAfter, committed = 'unknown', problem = {}, cause }) {
    super(`${code}: ${detail}`, { cause });
    Object.assign(this, { code, detail, status, retryable, retryAfter, committed, problem });
  }
}

/**
 * Sends a request, and gives the answer.
 *
 * GATEWAY_URL says where the gateway is, and GATEWAY_API_KEY, where it is set, who we are. `bigint` and `numeric` come
 * back as strings, with all their digits, unless the request's `numbers` says otherwise.
 *
 * @param {'query' | 'execute' | 'transaction'} endpoint
 * @param {object} request the contract's fields. `activityId` is made by the workflow, so that each try has the same.
 * @throws {GatewayError}
 */
export async function send(endpoint, request) {
  const address = `${(process.env.GATEWAY_URL || DEFAULT_URL).replace(/\/+$/, '')}/v1/${endpoint}`;
  const body = JSON.stringify({ numbers: 'string', ...request }, parameter);
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
  if (process.env.GATEWAY_API_KEY) headers.Authorization = `Bearer ${process.env.GATEWAY_API_KEY}`;

  let response, text;
  try {
    response = await fetch(address, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout((request.timeoutMs ?? DEFAULT_TIMEOUT_MS) + ANSWER_MARGIN_MS),
    });
    text = await response.text();
  } catch (cause) {
    // Refused, reset, timed out, cut off: whether the gateway ran it is not known. The activity ID makes sending it
    // again safe: what has been committed is recorded under it.
    // Where each of a name's addresses has refused, there is a code only.
    const { message, code } = cause.cause ?? cause;
    const detail = `no answer from ${address}: ${message || code}`;
    throw new GatewayError({ code: 'unreachable', detail, retryable: true, cause });
  }

  const answer = parse(text);
  if (!response.ok) throw failure(response, answer ?? {});
  if (!answer) {
    const detail = `${address} answers, but not with JSON: is it the gateway?`;
    throw new GatewayError({ code: 'invalid_response', detail, status: response.status, retryable: false });
  }
  return answer;
}

function failure({ status, statusText, headers }, problem) {
  // Only something between us and the gateway leaves the header out.
  const shouldRetry = headers.get('X-Should-Retry');
  const wait = headers.get('Retry-After') ?? '';
  return new GatewayError({
    code: problem.code ?? `http_${status}`,
    detail: problem.detail ?? statusText,
    status,
    retryable: shouldRetry ? shouldRetry === 'true' : [408, 409, 429].includes(status) || status >= 500,
    retryAfter: /^\d+$/.test(wait) ? Number(wait) : undefined,
    committed: problem.committed,
    problem,
  });
}

/** An object, or undefined where the text is none. */
function parse(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** JSON lacks these, and would make NULL of NaN: PostgreSQL reads them from their text. */
function parameter(_, value) {
  const lacks = typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value));
  return lacks ? String(value) : value;
}
