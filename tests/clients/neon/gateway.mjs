import { neon, neonConfig } from '@neondatabase/serverless';
import pg from 'pg';

// All that a program of Neon's driver changes to use the gateway: where it sends, and the string, which has the caller's key and
// names the connection.
neonConfig.fetchEndpoint = () => new URL('/sql', process.env.GATEWAY_URL).href;
export const key = process.env.GATEWAY_KEY;
export const connectionString = stringOf(key);
export const sql = neon(connectionString);

export function stringOf(password, connection = 'default') {
  return `postgresql://anyone:${password}@any.host/${connection}`;
}

/**
 * A session past the gateway, of node-postgres, whose results the driver's are to equal. Where it connects is said by libpq's
 * variables. It sends by the extended protocol, as the driver's requests are run.
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
