import type { Column } from "../parts/Table";
import { count, pValue, signed } from "../text";
import type { ChangedKey, MetricDifference } from "../types";

export const METRICS: Column<MetricDifference>[] = [
  { name: "metric", head: "metric", value: (row) => row.label, nowrap: true },
  { name: "a", head: "A", value: (row) => row.a },
  { name: "b", head: "B", value: (row) => row.b },
  {
    name: "difference",
    head: "difference",
    value: (row) => row.difference,
    cell: (row) => signed(row.difference),
  },
  {
    name: "interval",
    head: "interval",
    plain: true,
    value: (row) => (row.low === null ? null : `${signed(row.low)} to ${signed(row.high)}`),
    cell: (row) => <Interval row={row} />,
  },
  { name: "p", head: "p", value: (row) => row.p, cell: (row) => pValue(row.p) },
  {
    name: "users",
    head: "paired",
    about: "How many users, or seeds of a metric of whole rounds, both sides have",
    value: (row) => row.users,
    cell: (row) => count(row.users, row.by_user ? "user" : "seed"),
  },
  {
    name: "verdict",
    head: "verdict",
    value: (row) => row.word,
    filters: true,
    cell: (row) => <span class={`verdict ${row.verdict}`}>{row.word}</span>,
  },
];

/** An interval as numbers, and as a line around zero. */
function Interval({ row }: { row: MetricDifference }) {
  if (row.low === null || row.high === null) return <span class="quiet">none</span>;
  const largest = Math.max(Math.abs(row.low), Math.abs(row.high), 1e-9);
  const x = (value: number) => 50 + (value / largest) * 46;
  return (
    <>
      <svg width="100" height="12" aria-hidden="true">
        <line x1="50" x2="50" y1="0" y2="12" class="zero" />
        <line x1={x(row.low)} x2={x(row.high)} y1="6" y2="6" class="whisker" />
        <circle cx={x(row.difference)} cy="6" r="3" class="point" />
      </svg>{" "}
      <span class="quiet">
        {signed(row.low)} to {signed(row.high)}
      </span>
    </>
  );
}

export const CHANGED: Column<ChangedKey>[] = [
  { name: "key", head: "key", value: (row) => row.key },
  { name: "a", head: "A", value: (row) => row.a ?? "not set" },
  { name: "b", head: "B", value: (row) => row.b ?? "not set" },
];
