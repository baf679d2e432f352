import { stepHref } from "../api";
import { isBundle } from "../bundle";
import type { Column } from "../parts/Table";
import { href } from "../router";
import { brief, decimal, number, pValue, signed, visible } from "../text";
import type { AnswerChange, GroupRow, MetricChange, RunRow, VersionAnswer } from "../types";

/** The groups of a step of the training. */
export function groupColumns(run: string, step: number | null): Column<GroupRow>[] {
  return [
    {
      name: "group",
      head: "answers to",
      value: (row) => row.group,
      nowrap: true,
      cell: (row) => (
        <a href={href(["run", run, "group"], { step, group: row.group })} title={visible(row.group)}>
          {row.at
            ? `${visible(row.at.user)}, round ${row.at.round}, step ${row.at.step}`
            : visible(row.group)}
        </a>
      ),
    },
    { name: "node", head: "node", value: (row) => row.node, filters: true },
    { name: "size", head: "answers", value: (row) => row.size },
    { name: "mean", head: "mean reward", value: (row) => row.mean },
    { name: "std", head: "deviation", value: (row) => row.std },
    {
      name: "zero_variance",
      head: "teaches",
      value: (row) => (row.zero_variance ? "nothing: all equal" : "yes"),
      filters: true,
      nowrap: true,
      cell: (row) => (row.zero_variance ? <span class="warn">nothing: all equal</span> : "yes"),
    },
    {
      name: "rewards",
      head: "rewards",
      plain: true,
      value: (row) => row.rewards.map((each) => decimal(each, 2)).join("  "),
    },
  ];
}

/** The metrics of held-out users that are not 0 before and after. */
export const changedMetrics = (changes: MetricChange[]) =>
  changes.filter((each) => each.before.mean || each.after.mean);

/** How they changed. */
export const CHANGES: Column<MetricChange>[] = [
  { name: "metric", head: "metric", value: (row) => row.label, nowrap: true },
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
  { name: "p", head: "p", value: (row) => row.p, cell: (row) => pValue(row.p) },
  { name: "users", head: "users", value: (row) => row.users },
];

/** One question a row, with the answers of two versions. */
export function answerColumns(run: RunRow, rows: AnswerChange[]): Column<AnswerChange>[] {
  const ranked = rows.some((row) => row.before.rank !== null || row.after.rank !== null);
  const side = (name: "before" | "after"): Column<AnswerChange>[] => [
    {
      name,
      head: `${ranked ? "first choice" : "chosen"} ${name}`,
      value: (row) => row[name].answer,
      cell: (row) => (
        <a href={stepHref(run.name, row[name].at)} title={`weights ${visible(row[name].version)}`}>
          {brief(row[name].answer)}
        </a>
      ),
    },
  ];
  const pair = (name: string, head: string, about: string, of: (each: VersionAnswer) => number | null) => ({
    name,
    head,
    about,
    value: (row: AnswerChange) => of(row.after),
    cell: (row: AnswerChange) => (
      <>
        {number(of(row.before))} → {number(of(row.after))}
      </>
    ),
  });
  return [
    { name: "user", head: "user", value: (row) => row.user, filters: true },
    { name: "round", head: "round", value: (row) => row.round },
    { name: "step", head: "step", value: (row) => row.step },
    ...side("before"),
    ...side("after"),
    {
      name: "answer",
      head: "choice",
      value: (row) => (row.before.answer === row.after.answer ? "same" : "other"),
      filters: true,
    },
    ...(ranked
      ? [pair("rank", "true item at", "The rank of what she chose in the data", (each) => each.rank)]
      : []),
    pair("reward", "reward", "Before and after", (each) => each.reward),
    { name: "change", head: "change", value: (row) => row.change, cell: (row) => signed(row.change) },
    ...(isBundle ? [] : [compareColumn(run)]),
  ];
}

/** Leads to both answers side by side; a saved page has no comparisons. */
function compareColumn(run: RunRow): Column<AnswerChange> {
  return {
    name: "compare",
    head: "texts",
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
          seed: row.before.at.seed,
        })}
      >
        compare
      </a>
    ),
  };
}
