// What each client of each Node program does with its driver. A client has these methods, all async:
//
// readBook(id)            -> {title, price}
// readDetails(id)         -> {mood, tags, extra, published}
// addNote(client, body)   -> id
// readNote(id)            -> body
// changeNote(id, body)
// countNotes(client)      -> number
// takeBack(client, body)  adds a note in a transaction, reads it there, and rolls back
// introspect()            what the framework asks of the catalog, if it does
// fate(id)                reads the book and, as the same session, asks the proxy what became of that -> {status, reason}

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const env = process.env;

export const connection = {
  host: env.DRIVERS_HOST,
  port: Number(env.DRIVERS_PORT),
  user: env.DRIVERS_USER,
  password: env.DRIVERS_PASSWORD,
  database: env.DRIVERS_DATABASE,
  ssl: { ca: readFileSync(env.DRIVERS_CA, "utf8") },
};

export const url =
  `postgresql://${connection.user}:${connection.password}@${connection.host}:${connection.port}/${connection.database}`;

const READS = 40;
const DETAILS = 10;
const WRITES = 5;

export function expect(holds, text) {
  if (!holds) throw new Error(text);
}

async function read(client, seen) {
  for (let i = 0; i < READS; i++) {
    const id = (i % 5) + 1;
    const { title, price } = await client.readBook(id);
    expect(title === `Book ${id}` && Number(price) === id + 0.5, `book ${id} is ${title} at ${price}`);
  }
  for (let i = 0; i < DETAILS; i++) {
    const id = (i % 5) + 1;
    const { mood, tags, extra, published } = await client.readDetails(id);
    const right = mood === "happy" && tags.join() === "paper,signed" && extra.pages === 100 + id &&
      new Date(published).toISOString() === "2020-06-01T12:00:00.000Z";
    if (!right) seen.types_read = false;
  }
}

function count(seen, wasRead) {
  seen.writes++;
  if (wasRead) seen.own_writes_read++;
}

async function write(client, number, seen) {
  for (let i = 0; i < WRITES; i++) {
    const before = Number(await client.countNotes(number));
    const note = await client.addNote(number, `new ${i}`);
    count(seen, (await client.readNote(note)) === `new ${i}`);
    count(seen, Number(await client.countNotes(number)) === before + 1);
    await client.changeNote(note, `changed ${i}`);
    count(seen, (await client.readNote(note)) === `changed ${i}`);
  }
  const before = Number(await client.countNotes(number));
  await client.takeBack(number, "never");
  seen.rollback_undone = Number(await client.countNotes(number)) === before;
}

async function visit(client, number, seen) {
  await client.introspect?.();
  await read(client, seen);
  await write(client, number, seen);
  await read(client, seen);
  Object.assign(seen, await client.fate(1));
  seen.served = true;
}

function describe(error) {
  console.error(error);
  const cause = error.cause ?? error.parent ?? error;
  return `${error.constructor.name} ${cause.code ?? error.code ?? ""}: ${error.message}`;
}

// run has eight clients share what a program shares, such as a pool, and keeps its connections until the runner has looked at them.
export async function run(name, client, close) {
  const seen = Array.from({ length: Number(env.DRIVERS_CLIENTS) }, () => (
    { served: false, writes: 0, own_writes_read: 0, rollback_undone: false, types_read: true }));
  await Promise.all(seen.map((mine, number) => visit(client, number, mine).catch((error) => {
    mine.error = describe(error);
  })));
  console.log(JSON.stringify({ version: version(name), clients: seen }));
  process.stdin.resume();
  await new Promise((over) => process.stdin.once("end", over));
  await close();
  process.exit(0);
}

// version reads a package's own package.json, which not every package exports.
function version(name) {
  const places = createRequire(import.meta.url).resolve.paths(name);
  for (const place of places) {
    try {
      return JSON.parse(readFileSync(`${place}/${name}/package.json`, "utf8")).version;
    } catch {
      // the next place may have it
    }
  }
  return "";
}

// The sentinel that is thrown to have a driver roll back.
export class TakenBack extends Error {}

export async function rollsBack(transaction) {
  try {
    await transaction;
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error;
    return;
  }
  throw new Error("the transaction was to be rolled back");
}
