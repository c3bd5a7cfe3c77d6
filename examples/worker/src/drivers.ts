import { Client } from "pg";
import postgres from "postgres";

/** A parameter of a statement. */
export type Value = string | number | boolean | null;

export interface Result {
  readonly rows: readonly unknown[];
  /** How many rows the statement returned, or wrote. */
  readonly count: number;
  /** What the server calls that which it did: "SELECT", "UPDATE", "ROLLBACK". */
  readonly command: string;
}

/** One connection, whatever the driver. Statements run one after the other. */
export interface Connection {
  query(sql: string, params?: readonly Value[]): Promise<Result>;
  close(): Promise<void>;
}

export type Driver = (connectionString: string) => Promise<Connection>;

export const drivers: Readonly<Record<string, Driver>> = { pg: nodePostgres, postgres: postgresJS };

async function nodePostgres(connectionString: string): Promise<Connection> {
  const client = new Client({ connectionString });
  // A connection that breaks while nobody asks is told of by an event. The next statement fails by itself.
  client.on("error", () => {});
  await client.connect();
  return {
    async query(sql, params = []) {
      const result = await client.query<Record<string, unknown>>(sql, [...params]);
      return { rows: result.rows, count: result.rowCount ?? 0, command: result.command };
    },
    close: () => client.end(),
  };
}

async function postgresJS(connectionString: string): Promise<Connection> {
  // One connection, so that BEGIN and what follows it meet on the same one, and no query for the types of arrays at first.
  const sql = postgres(connectionString, { max: 1, fetch_types: false });
  return {
    async query(text, params = []) {
      const rows = await sql.unsafe<Record<string, unknown>[]>(text, [...params]);
      return { rows, count: rows.count, command: rows.command };
    },
    close: () => sql.end(),
  };
}
