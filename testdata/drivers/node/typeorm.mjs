// TypeORM, as its page "Getting started" shows it, with schemas in place of decorators, which JavaScript has not.

import "reflect-metadata";
import { DataSource, EntitySchema } from "typeorm";
import { connection, expect, rollsBack, run, TakenBack } from "./scenario.mjs";

const Book = new EntitySchema({
  name: "Book",
  tableName: "books",
  columns: {
    id: { type: Number, primary: true },
    title: { type: "text" },
    price: { type: "numeric" },
    mood: { type: "enum", enum: ["sad", "ok", "happy"], enumName: "mood" },
    tags: { type: "text", array: true },
    extra: { type: "jsonb" },
    published: { type: "timestamptz" },
  },
});
const Note = new EntitySchema({
  name: "Note",
  tableName: "notes",
  columns: {
    id: { type: "bigint", primary: true, generated: "identity" },
    client: { type: Number },
    body: { type: "text" },
  },
});

const source = await new DataSource({
  type: "postgres",
  host: connection.host,
  port: connection.port,
  username: connection.user,
  password: connection.password,
  database: connection.database,
  ssl: connection.ssl,
  entities: [Book, Note],
}).initialize();

const books = source.getRepository(Book);
const notes = source.getRepository(Note);
const readBook = (manager, id) => manager.findOneOrFail(Book, { select: { title: true, price: true }, where: { id } });

const client = {
  readBook: (id) => readBook(source.manager, id),
  readDetails: (id) => books.findOneByOrFail({ id }),
  addNote: async (client, body) => (await notes.save({ client, body })).id,
  readNote: async (id) => (await notes.findOneByOrFail({ id })).body,
  async changeNote(id, body) {
    const note = await notes.findOneByOrFail({ id });
    note.body = body;
    await notes.save(note);
  },
  countNotes: (client) => notes.countBy({ client }),
  async takeBack(client, body) {
    await rollsBack(source.transaction(async (manager) => {
      const note = await manager.save(Note, { client, body });
      expect((await manager.findOneByOrFail(Note, { id: note.id })).body === body, "not read in its transaction");
      throw new TakenBack();
    }));
  },
  async introspect() {
    const runner = source.createQueryRunner();
    expect((await runner.getTable("books")).columns.length === 7, "books has other columns");
    await runner.release();
  },
  async fate(id) {
    const runner = source.createQueryRunner();
    await readBook(runner.manager, id);
    const status = (await runner.query("SHOW overdrive.status"))[0]["overdrive.status"];
    const reason = (await runner.query("SHOW overdrive.reason"))[0]["overdrive.reason"];
    await runner.release();
    return { status, reason };
  },
};

await run("typeorm", client, () => source.destroy());
