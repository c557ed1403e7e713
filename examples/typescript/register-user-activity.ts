/**
 * An activity that writes: it registers a user. The gateway records its answer under the activity ID, in the transaction of the
 * write: the plain INSERT below runs once, however often the engine runs the activity. A user whom another activity has made is
 * an error, `sql_error`, whose problem names the `constraint`.
 */

import { pathToFileURL } from "node:url";
import { GatewayError, run } from "./gateway.js";

const INSERT = "INSERT INTO users (email, name) VALUES (:email, :name) RETURNING id";

/** The activity; gives the user's ID, the same at each try. */
export async function registerUser(activityId: string, email: string, name: string, attempt = 1): Promise<string> {
  const answer = await run<{ readonly id: string }>("execute", {
    activityId,
    attempt,
    sql: INSERT,
    parameters: { email, name },
    expect: { rowCount: 1 },
  });
  // One row, or it had failed.
  return answer.rows[0]!.id;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [email, name] = process.argv.slice(2);
  if (!email || !name) {
    console.error("usage: register-user-activity.js EMAIL NAME");
    process.exit(2);
  }
  try {
    console.log(await registerUser(`example-run-1/register/${email}`, email, name));
  } catch (error) {
    console.error(error instanceof GatewayError ? error.message : error);
    process.exitCode = 1;
  }
}
