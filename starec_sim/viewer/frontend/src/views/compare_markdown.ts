import { mdBlock, mdPage, mdTable, mdText } from "../markdown";
import { asMarkdown } from "../parts/Table";
import { count } from "../text";
import type { ChangedKey, Comparison } from "../types";
import { CHANGED, METRICS } from "./compare_tables";

/** A comparison as Markdown, in the order of its page; `beside` names the step whose texts it shows. */
export function comparisonMarkdown(view: Comparison, user: string | null, beside: string | false): string {
  const { a, b } = view;
  return mdPage(
    `${a.name} (${a.arm}) and ${b.name} (${b.arm})`,
    mdText(`${view.same_world ? "Both have the same world" : "The worlds differ"}: ${view.world}.`),
    "## They part",
    ...firstMarkdown(view),
    ...(user ? [mdText(`## Steps of ${user}`), stepsMarkdown(view)] : []),
    beside && mdText(`Left out: texts and slates of ${beside}; the page has them beside each other.`),
    "## Metrics",
    mdText(`B minus A, paired by user or seed, over ${view.window}.`),
    view.metrics.length
      ? asMarkdown(METRICS, view.metrics)
      : "No metric is on record on both sides for the same users or seeds.",
    "## Configuration",
    changedMarkdown(view.configuration),
    "## Versions",
    changedMarkdown(view.versions),
  );
}

function firstMarkdown(view: Comparison): string[] {
  const first = view.first_difference;
  if (!view.common_users) return ["No user is in both, so no step can be compared with another."];
  if (!first) return [`They do not: every step of ${count(view.rounds, "round")} is equal.`];
  const { user, round, step, seed } = first.at;
  const node = first.node && ` (${first.node})`;
  return [
    mdText(`First in the ${first.part}${node} of ${user}, round ${round}, step ${step}, seed ${seed}.`),
    "A:",
    mdBlock(first.a),
    "B:",
    mdBlock(first.b),
  ];
}

function stepsMarkdown({ steps }: Comparison): string {
  if (!steps.length) return "She has no step in both.";
  const differs = (parts: string[]) =>
    parts.map((part) => (part === "step" ? "only on one side" : part)).join(", ");
  return mdTable(
    ["seed", "round", "step", "differs in"],
    steps.map(({ at, same, parts }) => [at.seed, at.round, at.step, same ? "equal" : differs(parts)]),
  );
}

const changedMarkdown = (keys: ChangedKey[]) => (keys.length ? asMarkdown(CHANGED, keys) : "Equal.");
