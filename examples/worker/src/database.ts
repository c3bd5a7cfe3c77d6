import type { Connection, Value } from "./drivers";

type Duration = `${number}${"ms" | "s" | "m" | "h"}`;

/** How long the answers of a query may be kept. What is left out is for the rules of overdrive.yaml to say. */
export interface Keep {
  readonly maxAge?: Duration;
  readonly staleWhileRevalidate?: Duration;
  /** Names by which the answers can be purged. */
  readonly tags?: readonly string[];
}

/** A SELECT, with the types of its parameters and rows. Made by `query`. */
export interface Query<Params extends readonly Value[], Row> {
  readonly sql: string;
  // These two are for the types alone. No value has them.
  readonly params?: Params;
  readonly row?: Row;
}

export function query<Params extends readonly Value[], Row>(sql: string, keep: Keep = {}): Query<Params, Row> {
  return { sql: hint(keep) + sql };
}

/** The comment by which Overdrive is told. It changes how an answer is kept, never which answer it is. */
function hint(keep: Keep): string {
  const words: string[] = [];
  if (keep.maxAge !== undefined) words.push(`max_age=${keep.maxAge}`);
  if (keep.staleWhileRevalidate !== undefined) words.push(`swr=${keep.staleWhileRevalidate}`);
  for (const tag of keep.tags ?? []) {
    if (!/^\w+$/.test(tag)) throw new Error(`a tag is one word: ${tag}`);
    words.push(`tag=${tag}`);
  }
  return words.length === 0 ? "" : `/* overdrive: ${words.join(", ")} */ `;
}

/** What became of a statement: "hit", "miss" or why it was passed by, and the same in a sentence. */
export interface Verdict {
  readonly status: string;
  readonly reason: string;
}

/** The database of one request. There is no cache to fill, no key to make and nothing to invalidate: Overdrive does that. */
export class Database {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Answered from the cache where there is an answer that no write has made invalid. */
  async read<Params extends readonly Value[], Row>(query: Query<Params, Row>, ...params: Params): Promise<readonly Row[]> {
    const result = await this.#connection.query(query.sql, params);
    return result.rows as readonly Row[];
  }

  /** Returns how many rows were written. Every read that begins after it sees them. */
  async write(sql: string, ...params: Value[]): Promise<number> {
    return (await this.#connection.query(sql, params)).count;
  }

  /** Does all of the work, or none of it if that throws. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.#connection.query("BEGIN");
    try {
      const done = await work();
      // PostgreSQL answers the COMMIT of a transaction in which a statement failed with ROLLBACK, and not with an error.
      const { command } = await this.#connection.query("COMMIT");
      if (command !== "COMMIT") throw new Error("the transaction was rolled back, since a statement in it had failed");
      return done;
    } catch (error) {
      // Where the connection is broken this fails, too. The server has rolled back then.
      await this.#connection.query("ROLLBACK").catch(() => {});
      throw error;
    }
  }

  /** What became of the last statement. Only Overdrive can tell. */
  async verdict(): Promise<Verdict> {
    return { status: await this.#show("overdrive.status"), reason: await this.#show("overdrive.reason") };
  }

  async #show(name: string): Promise<string> {
    const { rows } = await this.#connection.query(`SHOW ${name}`);
    return Object.values(rows[0] as Record<string, string>)[0] ?? "";
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
