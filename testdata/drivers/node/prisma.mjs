// Prisma with its adapter for node-postgres, as its page "PostgreSQL" shows it.

import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "./generated/prisma/index.js";
import { connection, expect, rollsBack, run, TakenBack } from "./scenario.mjs";

const prisma = new PrismaClient({ adapter: new PrismaPg(connection) });

const readBook = (prisma, id) => prisma.book.findUniqueOrThrow({ where: { id }, select: { title: true, price: true } });

const client = {
  readBook: (id) => readBook(prisma, id),
  readDetails: (id) => prisma.book.findUniqueOrThrow({ where: { id } }),
  addNote: async (client, body) => (await prisma.note.create({ data: { client, body } })).id,
  readNote: async (id) => (await prisma.note.findUniqueOrThrow({ where: { id } })).body,
  changeNote: (id, body) => prisma.note.update({ where: { id }, data: { body } }),
  countNotes: (client) => prisma.note.count({ where: { client } }),
  async takeBack(client, body) {
    await rollsBack(prisma.$transaction(async (tx) => {
      const note = await tx.note.create({ data: { client, body } });
      const again = await tx.note.findUniqueOrThrow({ where: { id: note.id } });
      expect(again.body === body, "not read in its transaction");
      throw new TakenBack();
    }));
  },
  // It lends no connection but to a transaction. The pool's next query may take another, which was last asked the same.
  async fate(id) {
    await readBook(prisma, id);
    const [status] = await prisma.$queryRaw`SHOW overdrive.status`;
    const [reason] = await prisma.$queryRaw`SHOW overdrive.reason`;
    return { status: status["overdrive.status"], reason: reason["overdrive.reason"] };
  },
};

await run("prisma", client, () => prisma.$disconnect());
