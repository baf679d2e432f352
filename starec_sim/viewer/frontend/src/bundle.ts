// A bundle is one page to mail to a colleague: the answers stand in it, under the paths that a
// server would give them; expand.js unpacks them before this program starts. Lists of people hold
// the first ones, and are filtered here.

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

/** The command that opens the run of this page. */
export const VIEW_COMMAND = about()?.command ?? "starec view";

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
    hint: `see all of it with: ${VIEW_COMMAND}`,
  });
}

/** The people who fit, as `read_people` of starec_sim/traces/people.py finds and sorts them. */
function filtered(people: People, params: URLSearchParams): People {
  const words = (params.get("q") ?? "").toLowerCase();
  const wheres = params.getAll("where").map((each) => each.split(/:(.*)/s));
  const rows = people.rows.filter(
    (row) =>
      [row.user, ...Object.values(row.profile)].some((text) => text.toLowerCase().includes(words)) &&
      wheres.every(([name = "", value = ""]) => has(row, name, value)),
  );
  const all = !words && !wheres.length;
  const found = {
    ...people,
    total: all ? people.total : rows.length,
    visited: all ? people.visited : rows.filter((row) => row.visits > 0).length,
    ...(people.rows.length < people.total && { embedded: people.rows.length }),
  };
  const sort = params.get("sort")?.replace(/^people\./, "") || "user";
  const offset = Number(params.get("offset") ?? 0);
  const limit = Number(params.get("limit") ?? 100);
  return { ...found, rows: sorted(rows, sort, params.has("descending")).slice(offset, offset + limit) };
}

function has(row: PersonRow, name: string, value: string): boolean {
  if (row.profile[name] === undefined) return String(field(row, name)) === value;
  return row.profile[name] === value || row.classes?.[name] === value;
}

/** Rows come in the order of users; those without a value, or without a visit, come last. */
function sorted(rows: PersonRow[], name: string, descending: boolean): PersonRow[] {
  if (name === "user") {
    const inOrder = descending ? [...rows].reverse() : rows;
    return [...inOrder.filter((row) => row.visits > 0), ...inOrder.filter((row) => !row.visits)];
  }
  const known = rows.filter((row) => field(row, name) !== null);
  const sign = descending ? -1 : 1;
  known.sort((a, b) => sign * compared(String(field(a, name)), String(field(b, name))));
  return [...known, ...rows.filter((row) => field(row, name) === null)];
}

function field(row: PersonRow, name: string): string | number | null {
  const columns = row as unknown as Record<string, string | number | null>;
  return row.profile[name] ?? columns[name] ?? null;
}

/** Numbers are compared by size and come before texts. */
function compared(a: string, b: string): number {
  const [first, second] = [a, b].map((text) => (text.trim() ? Number(text) : NaN)) as [number, number];
  if (Number.isNaN(first) && Number.isNaN(second)) return a < b ? -1 : a > b ? 1 : 0;
  if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) ? 1 : -1;
  return first - second;
}
