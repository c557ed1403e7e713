import { neon, neonConfig } from '@neondatabase/serverless';
import pg from 'pg';

// The only changes of a program with Neon's driver that uses the gateway: the endpoint, and the connection string with
// the caller's key and the connection's name.
neonConfig.fetchEndpoint = () => new URL('/sql', process.env.GATEWAY_URL).href;
export const key = process.env.GATEWAY_KEY;
export const connectionString = stringOf(key);
export const sql = neon(connectionString);

export function stringOf(password, connection = 'default') {
  return `postgresql://anyone:${password}@any.host/${connection}`;
}

/**
 * A session of node-postgres directly on the server; the driver's results must equal its results. libpq's variables set
 * the server. It uses the extended protocol, as the gateway does for the driver's requests.
 */
export class Direct {
  #client = new pg.Client();

  static async connect() {
    const direct = new Direct();
    await direct.#client.connect();
    return direct;
  }

  query(text, values = [], options = {}) {
    return this.#client.query({ text, values, queryMode: 'extended', ...options });
  }

  async rows(text, values) {
    return (await this.query(text, values)).rows;
  }

  /** Several statements, without parameters. */
  script(text) {
    return this.#client.query(text);
  }

  end() {
    return this.#client.end();
  }
}

/** The error that a promise is rejected with. */
export async function rejection(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`An error was expected, and this came: ${JSON.stringify(value)}`);
}
