// Kysely over node-postgres, as its page "Getting started" shows it.

import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { connection, expect, rollsBack, run, TakenBack } from "./scenario.mjs";

const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ ...connection, max: 10 }) }) });

const readBook = (db, id) => db.selectFrom("books").select(["title", "price"]).where("id", "=", id).executeTakeFirstOrThrow();
const addNote = (db, client, body) =>
  db.insertInto("notes").values({ client, body }).returning("id").executeTakeFirstOrThrow();
const readNote = (db, id) => db.selectFrom("notes").select("body").where("id", "=", id).executeTakeFirstOrThrow();

const client = {
  readBook: (id) => readBook(db, id),
  readDetails: (id) => db.selectFrom("books").selectAll().where("id", "=", id).executeTakeFirstOrThrow(),
  addNote: async (client, body) => (await addNote(db, client, body)).id,
  readNote: async (id) => (await readNote(db, id)).body,
  changeNote: (id, body) => db.updateTable("notes").set({ body }).where("id", "=", id).executeTakeFirst(),
  async countNotes(client) {
    const { count } = await db.selectFrom("notes").select((eb) => eb.fn.countAll().as("count")).where("client", "=", client)
      .executeTakeFirstOrThrow();
    return count;
  },
  async takeBack(client, body) {
    await rollsBack(db.transaction().execute(async (trx) => {
      const { id } = await addNote(trx, client, body);
      expect((await readNote(trx, id)).body === body, "not read in its transaction");
      throw new TakenBack();
    }));
  },
  async introspect() {
    const tables = await db.introspection.getTables();
    expect(tables.some((table) => table.name === "books"), "books is not found");
  },
  fate: (id) => db.connection().execute(async (db) => {
    await readBook(db, id);
    const status = (await sql`SHOW overdrive.status`.execute(db)).rows[0]["overdrive.status"];
    return { status, reason: (await sql`SHOW overdrive.reason`.execute(db)).rows[0]["overdrive.reason"] };
  }),
};

await run("kysely", client, () => db.destroy());
