// A bundle is one page to mail to a colleague: the answers stand in it, under the paths that a
// server would give them; expand.js unpacks them before this program starts. Lists of people are embedded whole, and are filtered here.

import { ApiError } from "./failure";
import type { About, People, PersonRow } from "./types";

type Answers = Map<string, unknown>;

const answers: Answers | null = read();

function read(): Answers | null {
  const parsed = (globalThis as { bundle?: Record<string, unknown> }).bundle;
  if (!parsed) return null;
  return new Map(Object.entries(parsed).map(([path, value]) => [canonical(path), value]));
}

export const isBundle = answers !== null;

export function about(): About | null {
  return (answers?.get("about") as About | undefined) ?? null;
}

/** The same question has one path: parameters in order of name. */
function canonical(path: string, drop: readonly string[] = []): string {
  const [start = "", query = ""] = path.split("?");
  const params = new URLSearchParams(query);
  drop.forEach((name) => params.delete(name));
  params.sort();
  const text = params.toString();
  return text ? `${start}?${text}` : start;
}

/** Return an embedded answer; undefined when this page is no bundle. */
export function bundled(path: string): unknown {
  if (!answers) return undefined;
  const exact = answers.get(canonical(path));
  if (exact !== undefined) return exact;
  if (/\/people(\?|$)/.test(path)) {
    const choices = ["q", "where", "sort", "descending", "offset", "limit"];
    const all = answers.get(canonical(path, choices));
    if (all) return filtered(all as People, new URLSearchParams(path.split("?")[1]));
  }
  throw new ApiError({
    error: "This page holds a part of the run, and this is not in it.",
    hint: `see all of it with: ${about()?.command ?? "starec view"}`,
  });
}

function filtered(people: People, params: URLSearchParams): People {
  const words = (params.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const wheres = params.getAll("where").map((each) => each.split(/:(.*)/s));
  const rows = people.rows.filter(
    (row) =>
      words.every((word) => JSON.stringify([row.user, row.profile]).toLowerCase().includes(word)) &&
      wheres.every(([name = "", value]) => field(row, name) === value),
  );
  const sort = params.get("sort")?.replace(/^people\./, "");
  if (sort) {
    const sign = params.get("descending") ? -1 : 1;
    rows.sort((a, b) => sign * compared(field(a, sort), field(b, sort)));
  }
  const offset = Number(params.get("offset") ?? 0);
  const limit = Number(params.get("limit") ?? 100);
  return { ...people, total: rows.length, rows: rows.slice(offset, offset + limit) };
}

function field(row: PersonRow, name: string): string {
  return String(row.profile[name] ?? (row as unknown as Record<string, unknown>)[name] ?? "");
}

function compared(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
