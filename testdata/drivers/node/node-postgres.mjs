// node-postgres, as its page "Pooling" shows it.

import pg from "pg";
import { connection, expect, run } from "./scenario.mjs";

const pool = new pg.Pool(connection);

// Statements with a name are prepared, as the page "Queries" shows it; those without are parsed each time. It has both.
const book = (id) => ({ name: "book", text: "SELECT title, price FROM books WHERE id = $1", values: [id] });

const client = {
  async readBook(id) {
    return (await pool.query(book(id))).rows[0];
  },
  async readDetails(id) {
    return (await pool.query("SELECT mood, tags, extra, published FROM books WHERE id = $1", [id])).rows[0];
  },
  async addNote(client, body) {
    return (await pool.query("INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", [client, body])).rows[0].id;
  },
  async readNote(id) {
    return (await pool.query("SELECT body FROM notes WHERE id = $1", [id])).rows[0].body;
  },
  async changeNote(id, body) {
    await pool.query("UPDATE notes SET body = $1 WHERE id = $2", [body, id]);
  },
  async countNotes(client) {
    return (await pool.query("SELECT count(*) FROM notes WHERE client = $1", [client])).rows[0].count;
  },
  async takeBack(number, body) {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const { rows } = await client.query("INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", [number, body]);
      const again = await client.query("SELECT body FROM notes WHERE id = $1", [rows[0].id]);
      expect(again.rows[0].body === body, "not read in its transaction");
      await client.query("ROLLBACK");
    } finally {
      client.release();
    }
  },
  async fate(id) {
    const client = await pool.connect();
    try {
      await client.query(book(id));
      const status = (await client.query("SHOW overdrive.status")).rows[0]["overdrive.status"];
      return { status, reason: (await client.query("SHOW overdrive.reason")).rows[0]["overdrive.reason"] };
    } finally {
      client.release();
    }
  },
};

await run("pg", client, () => pool.end());
