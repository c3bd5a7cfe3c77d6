import { query } from "./database";

export type Game = { id: number; home: string; away: string };
export type Score = { game: number; home: number; away: number };
export type Standing = { team: string; points: number };

/** Kept for as long as overdrive.yaml says of the whole database. */
export const game = query<[id: number], Game>("SELECT id, home, away FROM games WHERE id = $1");

/** Kept for as long as the rule of overdrive.yaml says that is about the table. */
export const score = query<[game: number], Score>("SELECT game, home, away FROM scores WHERE game = $1");

/** Kept for a second, by a hint: it outranks the rule. */
export const ticker = query<[], Score>("SELECT game, home, away FROM scores ORDER BY game", {
  maxAge: "1s",
  staleWhileRevalidate: "0s",
});

/** Kept for five minutes, by a hint, and purged by `overdrive purge --tag standings`. */
export const standings = query<[], Standing>("SELECT team, points FROM standings ORDER BY points DESC, team", {
  maxAge: "5m",
  tags: ["standings"],
});
