// The command line and the Python lines that show the same as a page.

import { quoted } from "./text";
import type { Address, RunRow } from "./types";

type Recorded = Pick<RunRow, "name" | "folder">;

/** The folder of a run: a command with it works in every folder. */
const place = (run: Recorded) => run.folder ?? `runs/${run.name}`;

/** A command about a run, with these arguments. */
const about = (command: string, run: Recorded, ...words: string[]) =>
  ["starec", command, ...[place(run), ...words].map(quoted)].join(" ");

/** Options of a command; those without a value are left out. */
function options(given: Record<string, string | number | null | undefined>): string {
  return Object.entries(given)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => ` --${name} ${quoted(String(value))}`)
    .join("");
}

export function showCommand(run: Recorded, given: Record<string, string | number | null> = {}) {
  return about("show", run) + options(given);
}

export function whyCommand(run: Recorded, { arm, seed, user, round, step }: Address): string {
  return about("why", run, user, String(round)) + options({ step, arm, seed });
}

export function diffCommand(a: Recorded, b: Recorded, given: Record<string, string | null>): string {
  return about("diff", a, ...(place(a) === place(b) ? [] : [place(b)])) + options(given);
}

export function searchCommand(run: Recorded, words: string, given: Record<string, string | null> = {}) {
  return about("search", run, words) + options(given);
}

export function interviewCommand(run: Recorded, ...words: string[]) {
  return about("interview", run, ...words);
}

/** The list of the runs in the folder of this one. */
export function runsCommand(run: Recorded | undefined) {
  const folder = run?.folder?.replace(/\/[^/]*$/, "");
  return folder ? `starec runs --runs-dir ${quoted(folder)}` : "starec runs";
}

export function resumeCommand(run: Recorded) {
  return about("resume", run);
}

/** How people behave, each by herself or together with those of the same value of a trait. */
export function behaviourCommand(run: Recorded, arm: string, seed: number, trait?: string) {
  const text = (value: string) => `'${value.replace(/'/g, "''")}'`;
  const value = trait && `json_extract(profile_json, ${text(`$.${JSON.stringify(trait)}`)})`;
  const each = value
    ? `${value} as ${JSON.stringify(trait)}, count(distinct user) as users, 1.0 * count(distinct user || ' ' || round) / count(distinct user) as visits`
    : "user, count(distinct round) as visits, count(*) as steps";
  const query =
    `select ${each}, avg(slow) as slow from steps join users using (arm, seed, user) ` +
    `where arm = ${text(arm)} and seed = ${seed} group by ${value ? "1" : "user"}`;
  return about("sql", run, query);
}

/** Python that reads a table of a run, and keeps the rows with these values. */
export function python(
  run: Recorded,
  table: "steps" | "turns" | "rollouts" | "metrics",
  where: Record<string, string | number | null> = {},
): string {
  const tests = Object.entries(where)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `row.${name} == ${JSON.stringify(fromZero(name, value))}`);
  const counted = Object.keys(where).some((name) => name === "round" || name === "step");
  return [
    "from starec_sim import read_run",
    "",
    `run = read_run(${JSON.stringify(place(run))})`,
    ...(counted ? ["# rounds and steps count from 0 in tables"] : []),
    `rows = [row for row in run.${table}()${tests.length ? ` if ${tests.join(" and ")}` : ""}]`,
  ].join("\n");
}

function fromZero(name: string, value: string | number | null) {
  return typeof value === "number" && (name === "round" || name === "step") ? value - 1 : value;
}

/** Python that reads two runs. */
export function pythonOfTwo(a: string, b: string): string {
  const read = (name: string, folder: string) => `${name} = read_run(${JSON.stringify(folder)})`;
  return ["from starec_sim import read_run", "", read("a", a), read("b", b)].join("\n");
}
