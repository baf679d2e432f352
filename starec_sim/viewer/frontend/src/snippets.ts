// The command line and the Python lines that show the same as a page. Where they show less, a
// comment in them says what is left out.

import { brief, count, quoted } from "./text";
import type { Address, ComparedSide, RunRow } from "./types";

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

function ofTrial({ arm, seed }: Trial, tests: string[] = []) {
  return [`arm = ${sqlText(arm)}`, `seed = ${seed}`, ...tests].join(" and ");
}

/** What a page shows and a snippet does not, as the words of a comment. */
function without(left: string[]): string | null {
  return left.length ? `without ${left.map(brief).join(", ")}` : null;
}

/** A command, and what of the page it leaves out. A shell that knows no comments there obeys none of it. */
export function leavingOut(command: string, ...left: (string | false)[]): string {
  const comment = without(left.filter((each) => each !== false));
  return comment ? `${command} # ${comment.replace(/[^\p{L}\p{N} .,:/%+-]/gu, "·")}` : command;
}

/** The people of a page: parts of their texts, FIELD:VALUE filters, and the order. */
export interface ChosenPeople {
  q: string;
  /** Traits with exact values. */
  traits: [string, string][];
  /** Whole numbers of the columns. */
  counts: [string, string][];
  /** Ranges of numbers and "other values", which the server makes. */
  classes: [string, string][];
  fields: string[];
  sort: string;
  descending: boolean;
}

/** What `peopleCommand` calls columns of the list. */
const PEOPLE_COLUMNS = new Map([
  ["visits", "visits"],
  ["steps", "steps"],
  ["flaws", "flaws"],
  ["slow_share", "slow"],
]);

/** The people of a page and how they behave, those who never visited too. */
export function peopleCommand(run: Recorded, trial: Trial, people: ChosenPeople) {
  const words = sqlText(people.q.toLowerCase());
  const searched = ["user", ...people.fields.map(sqlTrait)];
  const tests = [
    ...people.traits.map(([name, value]) => `${sqlTrait(name)} = ${sqlText(value)}`),
    ...(people.q ? [`(${searched.map((text) => `instr(lower(${text}), ${words})`).join(" or ")})`] : []),
  ];
  const counts = people.counts.filter(([name, value]) => PEOPLE_COLUMNS.get(name) && /^\d+$/.test(value));
  const having = counts.map(([name, value]) => `${PEOPLE_COLUMNS.get(name)} = ${value}`).join(" and ");
  const { sort, descending } = people;
  const order = PEOPLE_COLUMNS.get(sort) ?? (people.fields.includes(sort) ? sqlTrait(sort) : null);
  const left = [
    ...[...people.classes, ...people.counts.filter((each) => !counts.includes(each))].map(
      (each) => `the filter ${each.join(": ")}`,
    ),
    ...(sort && !order ? [`the order by ${sort}`] : []),
    ...(people.fields.length ? ["traits"] : []),
    "chosen",
    "liked",
    "mean stars",
    "left early in",
    "values by round",
  ];
  const columns =
    "user, count(distinct round) as visits, count(step) as steps, " +
    "coalesce(sum(flaws_json <> '{}'), 0) as flaws, round(avg(slow), 3) as slow";
  const query = [
    `select ${columns} from users left join steps using (arm, seed, user)`,
    `where ${ofTrial(trial, tests)} group by user`,
    having && `having ${having}`,
    order && `order by ${order}${descending ? " desc" : ""} nulls last`,
  ];
  return leavingOut(about("sql", run, query.filter(Boolean).join(" ")), ...left);
}

/** How people with each value of the first trait behave; without a trait, everybody. */
export function populationCommand(run: Recorded, trial: Trial, [trait, ...others]: string[]) {
  const value = trait === undefined ? "arm" : `${sqlTrait(trait)} as ${JSON.stringify(trait)}`;
  const columns = `${value}, count(distinct user) as users, count(*) as steps, round(avg(slow), 3) as slow`;
  const from = "steps join users using (arm, seed, user)";
  return leavingOut(
    about("sql", run, `select ${columns} from ${from} where ${ofTrial(trial)} group by 1`),
    ...others.map((each) => `the trait ${each}`),
    trait !== undefined && "visits, chosen a visit, mean stars, ever left early",
    "exposure, drift and leaving over time",
  );
}

/** Python that reads a table of a run, and keeps the rows with these values. */
export function python(
  run: Recorded,
  table: "steps" | "turns" | "rollouts" | "metrics",
  where: Record<string, string | number | null> = {},
  ...comments: string[]
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
    ...comments.map((comment) => `# ${comment}`),
    `rows = [row for row in run.${table}()${tests.length ? ` if ${tests.join(" and ")}` : ""}]`,
  ].join("\n");
}

/** Python that reads the steps of the people of a page. */
export function pythonOfPeople(run: Recorded, trial: Trial, people: ChosenPeople): string {
  const left = [
    ...(people.q ? [`the words ${people.q}`] : []),
    ...[...people.counts, ...people.classes].map((each) => `the filter ${each.join(": ")}`),
  ];
  const tests = people.traits.map(
    ([name, value]) => ` and row.profile.get(${JSON.stringify(name)}) == ${JSON.stringify(value)}`,
  );
  const ofTrial = `row.arm == ${JSON.stringify(trial.arm)} and row.seed == ${trial.seed}`;
  return [
    "from starec_sim import read_run",
    "",
    `run = read_run(${JSON.stringify(place(run))})`,
    ...(left.length ? [`# ${without(left)}`] : []),
    `users = {row.user for row in run.users() if ${ofTrial}${tests.join("")}}`,
    `rows = [row for row in run.steps() if ${ofTrial} and row.user in users]`,
  ].join("\n");
}

function fromZero(name: string, value: string | number | null) {
  return typeof value === "number" && (name === "round" || name === "step") ? value - 1 : value;
}

type Filters = Record<string, string | null>;

/** `name="value"` of those that have a value. */
const named = (given: Filters) =>
  Object.entries(given).flatMap(([name, value]) => (value ? [`${name}=${JSON.stringify(value)}`] : []));

/** Python that searches a run. */
export function pythonOfSearch(run: Recorded, words: string, given: Filters, limit: number): string {
  const query = [JSON.stringify(words), ...named(given), `limit=${limit}`].join(", ");
  return [
    "from pathlib import Path",
    "from starec_sim.traces.search import Query, search_run",
    "",
    `folder = Path(${JSON.stringify(place(run))})`,
    `found = search_run(folder, Query(${query}))`,
  ].join("\n");
}

/** Python that compares an arm of a run with an arm of another. */
export function pythonOfTwo(a: ComparedSide, b: ComparedSide, user: string | null): string {
  const folders = [a, b].map(({ folder }) => `Path(${JSON.stringify(folder)})`);
  const arms = [a, b].map(({ arm }) => `Choice(${JSON.stringify(arm)})`);
  return [
    "from pathlib import Path",
    "from starec_sim.traces.compare import compare",
    "from starec_sim.traces.sides import Choice",
    "",
    `found = compare(${[...folders, ...arms, ...named({ user })].join(", ")})`,
  ].join("\n");
}

/** Python that reads all runs of a list. Those with a damaged manifest cannot be read. */
export function pythonOfAll(runs: RunRow[]): string {
  const whole = runs.filter((run) => run.status !== "damaged");
  const lost = runs.length - whole.length;
  return [
    "from starec_sim import read_run",
    "",
    "folders = [",
    ...whole.map((run) => `    ${JSON.stringify(place(run))},`),
    "]",
    ...(lost ? [`# without ${count(lost, "damaged run")}`] : []),
    "runs = [read_run(folder) for folder in folders]",
    "rows = [(run.folder.name, run.manifest.kind, run.manifest.status) for run in runs]",
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
