import type { Loaded } from "../api";
import { mdPage, mdTable } from "../markdown";
import { asMarkdown } from "../parts/Table";
import { brief, count, number, pValue, signed } from "../text";
import type { AnswerChanges, Interval, MetricChange, RunRow, Training, TrainingStep } from "../types";
import { changedMetrics, groupColumns } from "./training_tables";

/** A training as Markdown, in the order of its page. */
export function trainingMarkdown(run: RunRow, view: Training, answers: Loaded<AnswerChanges | null>): string {
  const changes = changedMetrics(view.changes);
  const learned = view.steps.filter((each) => each.reward);
  const validated = view.steps.filter((each) => each.validation || each.audits);
  const part = (name: string, shown: boolean, ...texts: string[]) => (shown ? [`## ${name}`, ...texts] : []);
  return mdPage(
    `Training ${run.name}`,
    ...part("Before and after", changes.length > 0, changesMarkdown(changes)),
    ...part("Curves", learned.length > 0, stepsMarkdown(learned)),
    ...part("Validations and audits", validated.length > 0, validationsMarkdown(validated)),
    ...part(
      `Groups of step ${view.step ?? "–"}`,
      view.groups.length > 0,
      asMarkdown(groupColumns(run.name, view.step), view.groups),
    ),
    "## Answers before and after",
    ...answersMarkdown(answers),
  );
}

function changesMarkdown(changes: MetricChange[]): string {
  return mdTable(
    ["metric", "before", "after", "change", "95 % interval", "p", "users"],
    changes.map(({ label, before, after, change, p, users }) => [
      label,
      number(before.mean),
      number(after.mean),
      signed(change.mean),
      `${signed(change.low)} to ${signed(change.high)}`,
      pValue(p),
      users,
    ]),
  );
}

function stepsMarkdown(steps: TrainingStep[]): string {
  const namesOf = (of: "reward" | "components") => [
    ...new Set(steps.flatMap((each) => Object.keys(each[of] ?? {}))),
  ];
  const [rewards, names] = [namesOf("reward"), namesOf("components")];
  return mdTable(
    [
      "step",
      ...rewards.map((name) => `reward of ${name}`),
      ...names,
      "KL",
      "entropy",
      "loss",
      "equal groups",
    ],
    steps.map((each) => [
      each.step,
      ...rewards.map((name) => number(each.reward?.[name])),
      ...names.map((name) => number(each.components?.[name])),
      number(each.kl),
      number(each.entropy),
      number(each.loss),
      number(each.zero_variance),
    ]),
  );
}

/** Of new users, after so many steps. */
function validationsMarkdown(steps: TrainingStep[]): string {
  const rows = (step: number, of: string, found: Record<string, Interval> | undefined) =>
    Object.entries(found ?? {}).map(([metric, { mean, low, high }]) => [
      step,
      of,
      metric,
      number(mean),
      number(low),
      number(high),
    ]);
  return mdTable(
    ["step", "of", "metric", "mean", "95 % low", "95 % high"],
    steps.flatMap(({ step, validation, audits }) => [
      ...rows(step, "validation", validation),
      ...Object.entries(audits ?? {}).flatMap(([audit, found]) => rows(step, `audit ${audit}`, found)),
    ]),
  );
}

function answersMarkdown({ data: found, failure, loading }: Loaded<AnswerChanges | null>): string[] {
  if (loading || failure)
    return [`Left out: they ${loading ? "are not loaded yet; copy the page again" : "could not be loaded"}.`];
  if (!found) return ["There are no two validations to compare yet."];
  const table = mdTable(
    ["user", "round", "step", found.before, found.after, "reward before", "reward after", "change"],
    found.rows.map(({ user, round, step, before, after, change }) => [
      user,
      round,
      step,
      brief(before.answer),
      brief(after.answer),
      number(before.reward),
      number(after.reward),
      signed(change),
    ]),
  );
  return [
    table,
    ...(found.more ? ["Left out: other people; these are the first ones."] : []),
    ...(found.other_slates
      ? [`Left out: ${count(found.other_slates, "step")} with other items shown, which cannot be compared.`]
      : []),
  ];
}
