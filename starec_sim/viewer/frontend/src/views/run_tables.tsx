import { stepHref } from "../api";
import { mdTable } from "../markdown";
import type { Column } from "../parts/Table";
import { decimal, money, number, percent, seconds, visible } from "../text";
import type { Overview } from "../types";

interface Total {
  metric: string;
  label: string;
  direction: string;
  arms: Map<string, Overview["totals"][number]>;
}

export type Calls = Overview["calls"][number];

type Failed = Overview["errors"][number];

export type Funnel = Overview["funnel"][number];

/** One row a metric, one column an arm; what is 0 everywhere is left out. */
export function totalRows(view: Overview): Total[] {
  const infos = new Map(view.metrics.map((each) => [each.metric, each]));
  return [...Map.groupBy(view.totals, (each) => each.metric)]
    .filter(([, same]) => same.some((each) => each.mean))
    .map(([metric, same]) => ({
      metric,
      label: infos.get(metric)?.label ?? metric,
      direction: infos.get(metric)?.direction ?? "",
      arms: new Map(same.map((each) => [each.arm, each])),
    }));
}

/** A metric and its mean in each arm. */
export function totalColumns(view: Overview): Column<Total>[] {
  const arms = [...new Set(view.totals.map((each) => each.arm))];
  return [
    { name: "metric", head: "metric", value: (row) => row.label, nowrap: true },
    ...arms.map((arm): Column<Total> => ({
      name: `arm-${arm}`,
      head: visible(arm),
      value: (row) => row.arms.get(arm)?.mean,
      cell: (row) => <Mean of={row.arms.get(arm)} />,
    })),
    { name: "direction", head: "better", value: (row) => row.direction, filters: true },
  ];
}

/** The mean of each metric that is not always 0, by round. */
export function roundsMarkdown(view: Overview): string {
  const shown = view.metrics.filter((each) => each.rounds.some((value) => value.mean));
  const several = new Set(shown.map((each) => each.arm)).size > 1;
  const longest = Math.max(0, ...shown.map((each) => each.rounds.length));
  return mdTable(
    ["round", ...shown.map((each) => (several ? `${each.label}, ${each.arm}` : each.label))],
    Array.from({ length: longest }, (_, index) => [
      index + 1,
      ...shown.map((each) => decimal(each.rounds[index]?.mean)),
    ]),
  );
}

function Mean({ of }: { of: Overview["totals"][number] | undefined }) {
  if (!of) return <>–</>;
  const known = of.low !== null && of.high !== null;
  return (
    <>
      {decimal(of.mean)}{" "}
      {known && (
        <span class="quiet">
          [{decimal(of.low)}, {decimal(of.high)}]
        </span>
      )}
    </>
  );
}

export const share = (part: number, whole: number) => (
  <>
    {number(part)} <span class="quiet">{whole ? percent(part / whole) : ""}</span>
  </>
);

export const FUNNEL: Column<Funnel>[] = [
  { name: "arm", head: "arm", value: (row) => row.arm, filters: true },
  { name: "shown", head: "shown", value: (row) => row.shown },
  {
    name: "chosen",
    head: "chosen",
    about: "Share of shown",
    value: (row) => row.chosen,
    cell: (row) => share(row.chosen, row.shown),
  },
  {
    name: "liked",
    head: "liked",
    about: "Share of chosen",
    value: (row) => row.liked,
    cell: (row) => share(row.liked, row.chosen),
  },
  { name: "left", head: "left early", about: "Visits that ended because she left", value: (row) => row.left },
];

const secondsEach = (row: Calls) => (row.seconds === null ? null : row.seconds / Math.max(1, row.calls));

export const CALLS: Column<Calls>[] = [
  { name: "arm", head: "arm", value: (row) => row.arm, filters: true },
  { name: "node", head: "node", value: (row) => row.node, filters: true },
  { name: "policy", head: "policy", value: (row) => row.policy, filters: true },
  { name: "calls", head: "calls", value: (row) => row.calls },
  { name: "tokens_in", head: "tokens in", value: (row) => row.tokens_in },
  { name: "tokens_out", head: "tokens out", value: (row) => row.tokens_out },
  {
    name: "seconds",
    head: "seconds each",
    value: secondsEach,
    cell: (row) => seconds(secondsEach(row)),
  },
  { name: "cost_usd", head: "cost", value: (row) => row.cost_usd, cell: (row) => money(row.cost_usd) },
  { name: "cache_hits", head: "from cache", value: (row) => row.cache_hits },
  { name: "failed", head: "failed", value: (row) => row.failed },
];

/** What went wrong, how often, and a step where it did. */
export function errorColumns(run: string): Column<Failed>[] {
  return [
    { name: "cause", head: "cause", value: (row) => row.cause, filters: true },
    { name: "text", head: "what happened", value: (row) => row.text },
    { name: "count", head: "times", value: (row) => row.count },
    {
      name: "example",
      head: "for example",
      plain: true,
      value: (row) => row.example?.user,
      cell: (row) =>
        row.example && (
          <a href={stepHref(run, row.example)}>
            {visible(row.example.user)}, round {row.example.round}
          </a>
        ),
    },
  ];
}
