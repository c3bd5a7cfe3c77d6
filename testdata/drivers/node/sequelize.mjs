// Sequelize, as its pages "Getting Started" and "Transactions" show it.

import { DataTypes, QueryTypes, Sequelize } from "sequelize";
import { connection, expect, rollsBack, run, TakenBack } from "./scenario.mjs";

const sequelize = new Sequelize(connection.database, connection.user, connection.password, {
  host: connection.host,
  port: connection.port,
  dialect: "postgres",
  dialectOptions: { ssl: connection.ssl },
  logging: false,
});

const Book = sequelize.define("Book", {
  title: DataTypes.TEXT,
  price: DataTypes.DECIMAL,
  mood: DataTypes.ENUM("sad", "ok", "happy"),
  tags: DataTypes.ARRAY(DataTypes.TEXT),
  extra: DataTypes.JSONB,
  published: DataTypes.DATE,
}, { tableName: "books", timestamps: false });
const Note = sequelize.define("Note", {
  id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true },
  client: DataTypes.INTEGER,
  body: DataTypes.TEXT,
}, { tableName: "notes", timestamps: false });

const readBook = (id, options) => Book.findByPk(id, { attributes: ["title", "price"], ...options });
const show = async (name, transaction) =>
  (await sequelize.query(`SHOW ${name}`, { type: QueryTypes.SELECT, transaction }))[0][name];

const client = {
  readBook: (id) => readBook(id),
  readDetails: (id) => Book.findByPk(id),
  addNote: async (client, body) => (await Note.create({ client, body })).id,
  readNote: async (id) => (await Note.findByPk(id)).body,
  async changeNote(id, body) {
    await (await Note.findByPk(id)).update({ body });
  },
  countNotes: (client) => Note.count({ where: { client } }),
  async takeBack(client, body) {
    await rollsBack(sequelize.transaction(async (transaction) => {
      const note = await Note.create({ client, body }, { transaction });
      expect((await Note.findByPk(note.id, { transaction })).body === body, "not read in its transaction");
      throw new TakenBack();
    }));
  },
  async introspect() {
    const tables = await sequelize.getQueryInterface().showAllTables();
    expect(tables.some((table) => (table.tableName ?? table) === "books"), "books is not found");
  },
  // It lends no connection but to a transaction. A pool's next query may take another, which was last asked the same.
  async fate(id) {
    await readBook(id);
    return { status: await show("overdrive.status"), reason: await show("overdrive.reason") };
  },
};

await run("sequelize", client, () => sequelize.close());
