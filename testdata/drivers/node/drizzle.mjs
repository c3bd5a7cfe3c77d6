// Drizzle over node-postgres, as its page "Get started with PostgreSQL" shows it.

import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { bigint, integer, jsonb, numeric, pgEnum, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { connection, expect, rollsBack, run, TakenBack } from "./scenario.mjs";

const mood = pgEnum("mood", ["sad", "ok", "happy"]);
const books = pgTable("books", {
  id: integer().primaryKey(),
  title: text().notNull(),
  price: numeric().notNull(),
  mood: mood().notNull(),
  tags: text().array().notNull(),
  extra: jsonb().notNull(),
  published: timestamp({ withTimezone: true }).notNull(),
});
const notes = pgTable("notes", {
  id: bigint({ mode: "number" }).primaryKey().generatedByDefaultAsIdentity(),
  client: integer().notNull(),
  body: text().notNull(),
});

const db = drizzle({ connection });

const readNote = async (db, id) => (await db.select().from(notes).where(eq(notes.id, id)))[0].body;
const addNote = async (db, client, body) => (await db.insert(notes).values({ client, body }).returning())[0].id;

const client = {
  readBook: async (id) => (await db.select({ title: books.title, price: books.price }).from(books).where(eq(books.id, id)))[0],
  readDetails: async (id) => (await db.select().from(books).where(eq(books.id, id)))[0],
  addNote: (client, body) => addNote(db, client, body),
  readNote: (id) => readNote(db, id),
  changeNote: (id, body) => db.update(notes).set({ body }).where(eq(notes.id, id)),
  countNotes: (client) => db.$count(notes, eq(notes.client, client)),
  async takeBack(client, body) {
    await rollsBack(db.transaction(async (tx) => {
      const id = await addNote(tx, client, body);
      expect((await readNote(tx, id)) === body, "not read in its transaction");
      throw new TakenBack();
    }));
  },
  async fate(id) {
    const session = await db.$client.connect();
    try {
      const alone = drizzle({ client: session });
      await alone.select({ title: books.title, price: books.price }).from(books).where(eq(books.id, id));
      const status = (await alone.execute(sql`SHOW overdrive.status`)).rows[0]["overdrive.status"];
      return { status, reason: (await alone.execute(sql`SHOW overdrive.reason`)).rows[0]["overdrive.reason"] };
    } finally {
      session.release();
    }
  },
};

await run("drizzle-orm", client, () => db.$client.end());
