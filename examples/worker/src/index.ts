import { Database, type Query } from "./database";
import { drivers, type Value } from "./drivers";
import * as queries from "./queries";

interface Env {
  readonly HYPERDRIVE: Hyperdrive;
  readonly DRIVER: string;
}

/** What the client is told with a status of its own. */
class Refused extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/") return new Response("games/1  scores/1  ticker  standings  results  report\n");
    try {
      // A Worker may not keep a connection from one request to the next, so each request opens one, and Overdrive pools.
      const connect = drivers[url.searchParams.get("driver") ?? env.DRIVER];
      if (connect === undefined) throw new Refused(400, "driver is pg or postgres");
      const db = new Database(await connect(env.HYPERDRIVE.connectionString));
      try {
        return await route(request, url, db);
      } finally {
        ctx.waitUntil(db.close());
      }
    } catch (error) {
      if (error instanceof Refused) return new Response(error.message + "\n", { status: error.status });
      console.error(error);
      return new Response(`${error}\n`, { status: 500 });
    }
  },
} satisfies ExportedHandler<Env>;

async function route(request: Request, url: URL, db: Database): Promise<Response> {
  const [, kind = "", id = ""] = url.pathname.split("/");
  const told = url.searchParams.has("report");
  switch (`${request.method} ${kind}`) {
    case "GET games":
      return read(db, told, queries.game, number(id));
    case "GET scores":
      return read(db, told, queries.score, number(id));
    case "GET ticker":
      return read(db, told, queries.ticker);
    case "GET standings":
      return read(db, told, queries.standings);
    case "GET report":
      return report(db);
    case "POST scores":
      return setScore(db, number(id), await body(request));
    case "POST results":
      return finish(db, number(id));
    default:
      throw new Refused(404, "no such route");
  }
}

/** With `?report`, headers say what became of the statement. */
async function read<Params extends readonly Value[], Row>(
  db: Database, told: boolean, query: Query<Params, Row>, ...params: Params
): Promise<Response> {
  const response = Response.json(await db.read(query, ...params));
  if (told) {
    const { status, reason } = await db.verdict();
    response.headers.set("overdrive-status", status);
    response.headers.set("overdrive-reason", encodeURI(reason));
  }
  return response;
}

/** Reads one of each kind, and says which were hits. */
async function report(db: Database): Promise<Response> {
  const verdicts: Record<string, unknown> = {};
  await db.read(queries.game, 1);
  verdicts["game"] = await db.verdict();
  await db.read(queries.score, 1);
  verdicts["score"] = await db.verdict();
  await db.read(queries.ticker);
  verdicts["ticker"] = await db.verdict();
  await db.read(queries.standings);
  verdicts["standings"] = await db.verdict();
  return Response.json(verdicts);
}

async function setScore(db: Database, game: number, { home, away }: Record<string, unknown>): Promise<Response> {
  const written = await db.write("UPDATE scores SET home = $2, away = $3 WHERE game = $1", game, number(home), number(away));
  if (written === 0) throw new Refused(404, "no such game");
  return Response.json(await db.read(queries.score, game));
}

/** A game is over: its score goes, and each team gets its points. All of that happens, or nothing. */
async function finish(db: Database, id: number): Promise<Response> {
  await db.transaction(async () => {
    const [game] = await db.read(queries.game, id);
    const [score] = await db.read(queries.score, id);
    if (game === undefined || score === undefined) throw new Refused(404, "no such game");
    await addPoints(db, game.home, points(score.home, score.away));
    await addPoints(db, game.away, points(score.away, score.home));
  });
  return Response.json(await db.read(queries.standings));
}

function points(own: number, others: number): number {
  return own > others ? 3 : own === others ? 1 : 0;
}

async function addPoints(db: Database, team: string, points: number): Promise<void> {
  const written = await db.write("UPDATE standings SET points = points + $2 WHERE team = $1", team, points);
  if (written === 0) throw new Refused(409, `${team} has no place in the standings`);
}

function number(value: unknown): number {
  const n = typeof value === "string" && value !== "" ? Number(value) : value;
  if (typeof n !== "number" || !Number.isInteger(n)) throw new Refused(400, "a whole number is missing");
  return n;
}

async function body(request: Request): Promise<Record<string, unknown>> {
  const value: unknown = await request.json().catch(() => undefined);
  if (typeof value !== "object" || value === null) throw new Refused(400, "the body is no JSON object");
  return { ...value };
}
