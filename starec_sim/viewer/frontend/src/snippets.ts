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

type Trial = { arm: string; seed: number };

const sqlText = (value: string) => `'${value.replace(/'/g, "''")}'`;
const sqlTrait = (name: string) => `json_extract(profile_json, ${sqlText(`$.${JSON.stringify(name)}`)})`;

function ofSteps(run: Recorded, { arm, seed }: Trial, columns: string[], tests: string[], by: string) {
  const where = [`arm = ${sqlText(arm)}`, `seed = ${seed}`, ...tests].join(" and ");
  const all = [...columns, "round(avg(slow), 3) as slow"].join(", ");
  const from = "steps join users using (arm, seed, user)";
  return about("sql", run, `select ${all} from ${from} where ${where} group by ${by}`);
}

/** How people behave; `traits` are the values of traits that they must have. */
export function peopleCommand(run: Recorded, trial: Trial, traits: [string, string][]) {
  const columns = ["user", "count(distinct round) as visits", "count(*) as steps"];
  const tests = traits.map(([name, value]) => `${sqlTrait(name)} = ${sqlText(value)}`);
  return ofSteps(run, trial, columns, tests, "user");
}

/** How people with each value of a trait behave; without a trait, everybody. */
export function populationCommand(run: Recorded, trial: Trial, trait: string | undefined) {
  const value = trait === undefined ? "arm" : `${sqlTrait(trait)} as ${JSON.stringify(trait)}`;
  const columns = [value, "count(distinct user) as users", "count(*) as steps"];
  return ofSteps(run, trial, columns, [], "1");
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

/** Python that reads all runs of a list. */
export function pythonOfAll(runs: Recorded[]): string {
  const folders = runs.map((run) => `    ${JSON.stringify(place(run))},`);
  return [
    "from starec_sim import read_run",
    "",
    "folders = [",
    ...folders,
    "]",
    "runs = [read_run(folder) for folder in folders]",
  ].join("\n");
}

/** Python that reads what readers and users said. */
export function pythonOfNotes(run: Recorded): string {
  return [
    "from pathlib import Path",
    "from starec_sim.interviews import read_interviews",
    "from starec_sim.traces.notes import read_notes",
    "",
    `folder = Path(${JSON.stringify(place(run))})`,
    "notes, interviews = read_notes(folder), read_interviews(folder)",
  ].join("\n");
}
