import type { Column } from "../parts/Table";
import { signed } from "../text";
import type { Comparison } from "../types";

type Metric = Comparison["metrics"][number];

export const METRICS: Column<Metric>[] = [
  { name: "metric", head: "metric", value: (row) => row.metric },
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
  { name: "p", head: "p", value: (row) => row.p },
  { name: "users", head: "users", value: (row) => row.users },
  {
    name: "verdict",
    head: "verdict",
    value: (row) => row.verdict,
    filters: true,
    cell: (row) => <span class={`verdict ${row.verdict}`}>{row.verdict}</span>,
  },
];

/** An interval as numbers, and as a line around zero. */
function Interval({ row }: { row: Metric }) {
  if (row.low === null || row.high === null) return <span class="quiet">one seed</span>;
  const largest = Math.max(Math.abs(row.low), Math.abs(row.high), 1e-9);
  const x = (value: number) => 50 + (value / largest) * 46;
  return (
    <>
      <svg width="100" height="12" aria-hidden="true">
        <line x1="50" x2="50" y1="0" y2="12" class="zero" />
        <line x1={x(row.low)} x2={x(row.high)} y1="6" y2="6" class="whisker" />
        {row.difference !== null && <circle cx={x(row.difference)} cy="6" r="3" class="point" />}
      </svg>{" "}
      <span class="quiet">
        {signed(row.low)} to {signed(row.high)}
      </span>
    </>
  );
}

/** A value of a configuration in one line. */
function setting(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "not set");
}

export const SETTINGS: Column<Comparison["configuration"][number]>[] = [
  { name: "key", head: "key", value: (row) => row.key },
  { name: "a", head: "A", value: (row) => setting(row.a) },
  { name: "b", head: "B", value: (row) => setting(row.b) },
];

export const VERSIONS: Column<Comparison["versions"][number]>[] = [
  { name: "name", head: "package", value: (row) => row.name },
  { name: "a", head: "A", value: (row) => row.a },
  { name: "b", head: "B", value: (row) => row.b },
];
