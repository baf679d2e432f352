// The command line and the Python lines that show the same as a page.

import { quoted } from "./text";
import type { Address } from "./types";

/** Options of a command; those without a value are left out. */
function options(given: Record<string, string | number | null | undefined>): string {
  return Object.entries(given)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => ` --${name} ${quoted(String(value))}`)
    .join("");
}

export function showCommand(run: string, given: Record<string, string | number | null> = {}) {
  return `starec show ${quoted(run)}${options(given)}`;
}

export function whyCommand(run: string, { arm, seed, user, round, step }: Address): string {
  return `starec why ${quoted(run)} ${quoted(user)} ${round}${options({ step, arm, seed })}`;
}

export function diffCommand(a: string, b: string, given: Record<string, string | null>): string {
  return `starec diff ${quoted(a)}${a === b ? "" : ` ${quoted(b)}`}${options(given)}`;
}

export function searchCommand(run: string, words: string, given: Record<string, string | null>) {
  return `starec search ${quoted(run)} ${quoted(words)}${options(given)}`;
}

/** Python that reads a table of a run, and keeps the rows with these values. */
export function python(
  folder: string,
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
    `run = read_run(${JSON.stringify(folder)})`,
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
