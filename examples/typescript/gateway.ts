/**
 * The gateway from an activity, with nothing but what Node.js has (20 or later). Copy this file beside your workflow. By itself
 * it sends one request, and prints the answer:
 *
 *     node dist/gateway.js query '{"activityId": "try/1", "sql": "SELECT * FROM users"}'
 */

import { pathToFileURL } from "node:url";

const DEFAULT_URL = "http://localhost:8080";
const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_TRIES = 5;

// What the gateway itself is slow to say must still reach us, or a try that succeeded looks like one that failed.
const ANSWER_MARGIN_MS = 10_000;
const LONGEST_PAUSE_MS = 60_000;

// For this time after the first sending, an earlier attempt that is still running does not count. The longest timeoutMs
// is 5 minutes.
const IN_FLIGHT_PATIENCE_MS = 330_000;

export type Endpoint = "query" | "execute" | "transaction";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface Statement {
  readonly sql: string;
  readonly parameters?: readonly Json[] | Readonly<Record<string, Json>>;
  readonly parameterTypes?: readonly (string | null)[] | Readonly<Record<string, string | null>>;
  readonly rowFormat?: "object" | "array";
  readonly expect?: { readonly rowCount: number };
}

/** The contract's fields for all endpoints. */
export interface Request extends Partial<Statement> {
  /** The workflow makes it, so that every try of an activity has the same. */
  readonly activityId: string;
  /** Where the counting of tries starts: which try of the activity this is, as the engine counts. */
  readonly attempt?: number;
  readonly connection?: string;
  readonly timeoutMs?: number;
  readonly maxRows?: number;
  /** `string` unless said otherwise: a number of JavaScript's would round what bigint and numeric hold. */
  readonly numbers?: "exact" | "string";
  readonly delivery?: "exactly-once" | "at-least-once";
  readonly statements?: readonly Statement[];
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
  readonly deferrable?: boolean;
}

export interface Result<Row> {
  readonly command: string;
  readonly rowCount: number | null;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly Row[];
}

/** What `query` and `execute` answer with. */
export interface Answer<Row> extends Result<Row> {
  readonly activityId: string;
  readonly truncated?: boolean;
}

/** What `transaction` answers with. */
export interface TransactionAnswer {
  readonly activityId: string;
  readonly results: readonly Result<unknown>[];
}

/** The part of a problem that all of them have, save those of something between us and the gateway. */
type Problem = Readonly<Record<string, unknown>>;

/** An activity's request that failed for good, or as often as it may be tried. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  /** `no`, `yes` or `unknown`: whether the last try's effect was kept. */
  readonly committed: string;

  /**
   * @param code the problem's code, such as `sql_error`; `unreachable` where no answer came
   * @param detail what happened, in words
   * @param status the HTTP status; null where no answer came
   * @param retryable whether the same request, with the same activity ID, may yet succeed
   * @param attempt the number of the last try
   * @param problem the whole problem, with `sqlState`, `constraint`, `errors` … where they apply
   */
  constructor(
    readonly code: string,
    readonly detail: string,
    readonly status: number | null,
    readonly retryable: boolean,
    readonly attempt: number,
    readonly problem: Problem = {},
  ) {
    super(`${code}: ${detail} (attempt ${attempt})`);
    this.committed = typeof problem["committed"] === "string" ? problem["committed"] : "unknown";
  }
}

export interface Options {
  /**
   * How often the request is sent at most; 5. While an earlier attempt is still running (`activity_in_flight`), sending it does
   * not count.
   */
  readonly tries?: number;
  /** The gateway; else GATEWAY_URL, else http://localhost:8080. */
  readonly url?: string;
}

/**
 * Sends a request until it is answered, and gives the answer. The caller's key is GATEWAY_API_KEY, where the gateway asks for
 * one.
 *
 * Every try is the same request under the same activity ID, or it would be another activity. Throws a GatewayError.
 */
export function run(endpoint: "transaction", request: Request, options?: Options): Promise<TransactionAnswer>;
export function run<Row>(endpoint: "query" | "execute", request: Request, options?: Options): Promise<Answer<Row>>;
export async function run(endpoint: Endpoint, request: Request, options: Options = {}): Promise<unknown> {
  if (!request.activityId) {
    throw new Error("activityId is required: the workflow makes it, so that every try of an activity has the same");
  }
  const url = options.url ?? (process.env["GATEWAY_URL"] || DEFAULT_URL);
  const address = `${url.replace(/\/+$/, "")}/v1/${endpoint}`;
  const tries = options.tries ?? DEFAULT_TRIES;
  const patienceEnds = performance.now() + IN_FLIGHT_PATIENCE_MS;
  let failed = 0;

  for (let attempt = request.attempt ?? 1; ; attempt++) {
    const outcome = await send(address, { numbers: "string", ...request, attempt });
    if ("answer" in outcome) {
      return outcome.answer;
    }
    if (outcome.error.code !== "activity_in_flight" || performance.now() > patienceEnds) {
      failed++;
    }
    if (!outcome.error.retryable || failed >= tries) {
      throw outcome.error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause(outcome.wait, failed)));
  }
}

type Outcome = { readonly answer: object } | { readonly error: GatewayError; readonly wait: string | null };

async function send(address: string, request: Request & { readonly attempt: number }): Promise<Outcome> {
  const headers: Record<string, string> = { "Content-Type": "application/json", Accept: "application/json" };
  if (process.env["GATEWAY_API_KEY"]) {
    headers["Authorization"] = `Bearer ${process.env["GATEWAY_API_KEY"]}`;
  }
  const body = JSON.stringify(request);
  let response: Response;
  let text: string;
  try {
    response = await fetch(address, {
      method: "POST",
      headers,
      body,
      // One of a POST would be followed by a GET, without its body.
      redirect: "manual",
      signal: AbortSignal.timeout((request.timeoutMs ?? DEFAULT_TIMEOUT_MS) + ANSWER_MARGIN_MS),
    });
    text = await response.text();
  } catch (lost) {
    // Refused, reset, timed out, cut off: whether the gateway ran it is not known. The activity ID makes sending it again
    // safe: what has been committed is recorded under it.
    const reason = lost instanceof Error ? String(lost.cause ?? lost) : String(lost);
    const detail = `no answer from ${address}: ${reason}`;
    return { error: new GatewayError("unreachable", detail, null, true, request.attempt), wait: null };
  }

  const members = parse(text);
  if (!response.ok) {
    const error = failure(response, members ?? {}, request.attempt);
    return { error, wait: response.headers.get("Retry-After") };
  }
  if (members === null) {
    const detail = `${address} answers, but not with JSON: is it the gateway?`;
    return { error: new GatewayError("invalid_response", detail, response.status, false, request.attempt), wait: null };
  }
  return { answer: members };
}

function failure(response: Response, problem: Problem, attempt: number): GatewayError {
  const { status } = response;
  const { code, detail } = problem;
  // Only something between us and the gateway leaves the header out.
  const shouldRetry = response.headers.get("X-Should-Retry")?.toLowerCase();
  const retryable = shouldRetry ? shouldRetry === "true" : [408, 409, 429].includes(status) || status >= 500;
  return new GatewayError(
    typeof code === "string" ? code : `http_${status}`,
    typeof detail === "string" ? detail : response.statusText,
    status,
    retryable,
    attempt,
    problem,
  );
}

/** The members of a JSON object; null where the text is none. */
function parse(text: string): Problem | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? (value as Problem | null) : null;
  } catch {
    return null;
  }
}

/** Milliseconds: what the gateway asked for, else doubling; never all callers at the same moment. */
function pause(wait: string | null, failed: number): number {
  if (wait !== null && /^\d+$/.test(wait)) {
    return Math.min(Number(wait) * 1000, LONGEST_PAUSE_MS) + 500 * Math.random();
  }
  return Math.min(250 * 2 ** failed, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}

async function main(endpoint?: string, request?: string, tries = String(DEFAULT_TRIES)): Promise<void> {
  if (!endpoint || !request) {
    console.error("usage: gateway.js query|execute|transaction REQUEST [TRIES]");
    process.exit(2);
  }
  try {
    const answer = await run(endpoint as "query", JSON.parse(request) as Request, { tries: Number(tries) });
    console.log(JSON.stringify(answer));
  } catch (error) {
    if (!(error instanceof GatewayError)) {
      throw error;
    }
    console.error(JSON.stringify(error));
    process.exitCode = 1;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(...process.argv.slice(2));
}
