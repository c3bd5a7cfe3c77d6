// postgres.js, as its README shows it: one sql for all, which prepares each statement.

import postgres from "postgres";
import { connection, expect, rollsBack, run, TakenBack } from "./scenario.mjs";

const sql = postgres({ ...connection, username: connection.user });

const client = {
  async readBook(id) {
    return (await sql`SELECT title, price FROM books WHERE id = ${id}`)[0];
  },
  async readDetails(id) {
    return (await sql`SELECT mood, tags, extra, published FROM books WHERE id = ${id}`)[0];
  },
  async addNote(client, body) {
    return (await sql`INSERT INTO notes (client, body) VALUES (${client}, ${body}) RETURNING id`)[0].id;
  },
  async readNote(id) {
    return (await sql`SELECT body FROM notes WHERE id = ${id}`)[0].body;
  },
  async changeNote(id, body) {
    await sql`UPDATE notes SET body = ${body} WHERE id = ${id}`;
  },
  async countNotes(client) {
    return (await sql`SELECT count(*) FROM notes WHERE client = ${client}`)[0].count;
  },
  async takeBack(client, body) {
    await rollsBack(sql.begin(async (sql) => {
      const [note] = await sql`INSERT INTO notes (client, body) VALUES (${client}, ${body}) RETURNING id`;
      const [again] = await sql`SELECT body FROM notes WHERE id = ${note.id}`;
      expect(again.body === body, "not read in its transaction");
      throw new TakenBack();
    }));
  },
  async fate(id) {
    const reserved = await sql.reserve();
    try {
      await reserved`SELECT title, price FROM books WHERE id = ${id}`;
      const status = (await reserved`SHOW overdrive.status`)[0]["overdrive.status"];
      return { status, reason: (await reserved`SHOW overdrive.reason`)[0]["overdrive.reason"] };
    } finally {
      reserved.release();
    }
  },
};

await run("postgres", client, () => sql.end());
