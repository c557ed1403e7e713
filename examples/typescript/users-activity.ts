/** An activity that reads all users. No driver and no DSN here: both are the gateway's. */

import { pathToFileURL } from "node:url";
import { GatewayError, run } from "./gateway.js";

export interface User {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/**
 * The activity. Its ID comes from the workflow: one made in here would differ at each try.
 *
 * @param attempt which try of the activity this is, as the engine counts
 */
export async function listUsers(activityId: string, attempt = 1): Promise<readonly User[]> {
  const answer = await run<User>("query", { activityId, attempt, sql: "SELECT * FROM users" });
  return answer.rows;
}

// This stands in for the workflow: the same run and step have the same ID, however often the step is run.
if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    for (const user of await listUsers("example-run-1/list-users")) {
      console.log(JSON.stringify(user));
    }
  } catch (error) {
    console.error(error instanceof GatewayError ? error.message : error);
    process.exitCode = 1;
  }
}
