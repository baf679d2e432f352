import { stepHref } from "../api";
import { mdTable } from "../markdown";
import type { Column } from "../parts/Table";
import { href } from "../router";
import { brief, number, signed, visible } from "../text";
import type { AnswerChange, GroupRow, MetricChange, RunRow, TrainingStep } from "../types";

/** The groups of a step of the training. */
export function groupColumns(run: string, step: number | null, rows: GroupRow[]): Column<GroupRow>[] {
  const question: Column<GroupRow> = {
    name: "question",
    head: "question",
    value: (row) => row.at?.user,
    cell: (row) =>
      row.at && (
        <a href={stepHref(run, row.at)}>
          {visible(row.at.user)}, round {row.at.round}, step {row.at.step}
        </a>
      ),
  };
  return [
    {
      name: "group",
      head: "group",
      value: (row) => row.group,
      cell: (row) => (
        <a href={href(["run", run, "group"], { step, group: row.group })}>{visible(row.group)}</a>
      ),
    },
    ...(rows.some((row) => row.at) ? [question] : []),
    { name: "node", head: "node", value: (row) => row.node, filters: true },
    { name: "size", head: "answers", value: (row) => row.size },
    { name: "mean", head: "mean reward", value: (row) => row.mean },
    { name: "std", head: "deviation", value: (row) => row.std },
    {
      name: "zero_variance",
      head: "teaches",
      value: (row) => (row.zero_variance ? "nothing: all equal" : "yes"),
      filters: true,
      cell: (row) => (row.zero_variance ? <span class="warn">nothing: all equal</span> : "yes"),
    },
    {
      name: "rewards",
      head: "rewards",
      plain: true,
      value: (row) => row.rewards.map((each) => number(each, 2)).join("  "),
    },
  ];
}

/** How metrics of held-out users changed. */
export const CHANGES: Column<MetricChange>[] = [
  { name: "metric", head: "metric", value: (row) => row.metric },
  { name: "before", head: "before", value: (row) => row.before.mean },
  { name: "after", head: "after", value: (row) => row.after.mean },
  {
    name: "change",
    head: "change",
    value: (row) => row.change.mean,
    cell: ({ change }) => (
      <>
        {signed(change.mean)}{" "}
        <span class="quiet">
          [{signed(change.low)}, {signed(change.high)}]
        </span>
      </>
    ),
  },
  { name: "p", head: "p", value: (row) => row.p },
  { name: "users", head: "users", value: (row) => row.users },
];

/** One question a row, with the answers before and after. */
export function answerColumns(run: RunRow): Column<AnswerChange>[] {
  const side = (name: "before" | "after"): Column<AnswerChange>[] => [
    {
      name,
      head: name,
      value: (row) => row[name].answer,
      cell: (row) => (
        <a href={stepHref(run.name, row[name].at)} title={visible(row[name].version)}>
          {brief(row[name].answer)}
        </a>
      ),
    },
    { name: `${name}_reward`, head: "reward", value: (row) => row[name].reward },
  ];
  return [
    {
      name: "user",
      head: "user",
      value: (row) => row.user,
      filters: true,
    },
    { name: "round", head: "round", value: (row) => row.round },
    { name: "step", head: "step", value: (row) => row.step },
    ...side("before"),
    ...side("after"),
    {
      name: "answer",
      head: "answer",
      value: (row) => (row.before.answer === row.after.answer ? "same" : "other"),
      filters: true,
    },
    { name: "difference", head: "difference", value: gain, cell: (row) => signed(gain(row)) },
    {
      name: "compare",
      head: "both",
      plain: true,
      value: () => null,
      cell: (row) => (
        <a
          href={href(["compare"], {
            a: run.name,
            b: run.name,
            arm_a: row.before.at.arm,
            arm_b: row.after.at.arm,
            user: row.user,
            round: row.round,
            step: row.step,
          })}
        >
          compare
        </a>
      ),
    },
  ];
}

/** How much more reward the answer gets after the training. */
function gain({ before, after }: AnswerChange): number | null {
  return before.reward === null || after.reward === null ? null : after.reward - before.reward;
}

/** The steps of the training as Markdown. */
export function stepsMarkdown(steps: TrainingStep[]): string {
  const names = [...new Set(steps.flatMap((each) => Object.keys(each.components ?? {})))];
  return mdTable(
    ["step", ...names, "KL", "entropy", "loss", "equal groups"],
    steps.map((each) => [
      each.step,
      ...names.map((name) => number(each.components?.[name])),
      number(each.kl),
      number(each.entropy),
      number(each.loss),
      number(each.zero_variance),
    ]),
  );
}
