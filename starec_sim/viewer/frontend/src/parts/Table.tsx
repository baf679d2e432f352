import type { ComponentChildren } from "preact";
import { mdTable } from "../markdown";
import { useRoute, withParams, type Route } from "../router";
import { decimal, number } from "../text";
import { Value } from "./Chips";
import { Text } from "./Text";

type Plain = string | number | boolean | null | undefined;

export interface Column<Row> {
  name: string;
  head: string;
  /** What the column is sorted and filtered by. */
  value: (row: Row) => Plain;
  /** What is shown, where it is not the value. */
  cell?: (row: Row) => ComponentChildren;
  /** A click on a value keeps the rows that have it. */
  filters?: boolean;
  /** A longer explanation. */
  about?: string;
  /** Neither sorted nor filtered. */
  plain?: boolean;
  /** Numbers that are not shown as such, e.g. as stars, stand left. */
  left?: boolean;
  /** Lines are not broken. */
  nowrap?: boolean;
}

interface Props<Row> {
  /** Names the table in the URL: `sort=calls.cost_usd`. */
  id: string;
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row, index: number) => string | number;
  /** The server has filtered, sorted and cut the rows; of `total` these are shown. */
  served?: { total: number; offset: number; limit: number };
  rowClass?: (row: Row) => string;
  /** Rows of a page. */
  page?: number;
  hideCaption?: boolean;
}

const PAGE = 100;

/** A table that is filtered by a click on a value, sorted by a click on a head, and paged. */
export function Table<Row>(props: Props<Row>) {
  const { id, caption, columns, rows, rowKey, served, rowClass, hideCaption } = props;
  const route = useRoute();
  const [sortedBy, down] = sortOf(route, id);
  const fitting = served ? rows : arranged(rows, columns, route, sortedBy, down);
  const offset = served?.offset ?? Math.min(pageOffset(route, id), fitting.length);
  const limit = served?.limit ?? props.page ?? PAGE;
  const total = served?.total ?? fitting.length;
  const shown = served ? rows : fitting.slice(offset, offset + limit);
  const numeric = (column: Column<Row>) =>
    !column.left && rows.some((row) => typeof column.value(row) === "number");
  const classOf = (column: Column<Row>) => (numeric(column) ? "number" : column.nowrap ? "nowrap" : "");
  const whole = (column: Column<Row>) =>
    rows.every((row) => typeof column.value(row) !== "number" || Number.isInteger(column.value(row)));
  const wholes = new Set(columns.filter(whole).map((column) => column.name));
  const classes = new Map(columns.map((column) => [column.name, classOf(column)]));
  return (
    <div class="table">
      <table>
        <caption class={hideCaption ? "hidden" : ""}>{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.name}
                scope="col"
                class={classes.get(column.name)}
                title={column.about}
                aria-sort={sortedBy !== column.name ? undefined : down ? "descending" : "ascending"}
              >
                {column.plain ? (
                  column.head || <span class="hidden">{column.name}</span>
                ) : (
                  <a href={sortHref(route, id, column.name, sortedBy === column.name && !down)}>
                    {column.head}
                    <span aria-hidden="true">{sortedBy === column.name ? (down ? " ↓" : " ↑") : ""}</span>
                  </a>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row, index) => (
            <tr key={rowKey(row, index)} class={rowClass?.(row)}>
              {columns.map((column) => (
                <td key={column.name} class={classes.get(column.name)}>
                  {cell(column, row, wholes.has(column.name))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length === 0 && <p class="empty">No row fits. Remove a filter to see more.</p>}
      {total > limit && (
        <p class="pages">
          {offset + 1} to {offset + shown.length} of {number(total)}
          {offset > 0 && (
            <a href={withParams(route, pageParam(id, served, Math.max(0, offset - limit)))}>previous</a>
          )}
          {offset + limit < total && (
            <a href={withParams(route, pageParam(id, served, offset + limit))}>next</a>
          )}
        </p>
      )}
    </div>
  );
}

/** Cut the sort parameter of a page that the server sorts: ["visits", true]. */
export function sortOf(route: Route, id: string): [string, boolean] {
  const [table, name = ""] = (route.params.get("sort") ?? "").split(/\.(.*)/s);
  return table === id ? [name, route.params.get("descending") === "1"] : ["", false];
}

function sortHref(route: Route, id: string, name: string, descending: boolean): string {
  return withParams(route, { sort: `${id}.${name}`, descending: descending ? 1 : null, offset: null });
}

function pageOffset(route: Route, id: string): number {
  const [table, offset] = (route.params.get("rows") ?? "").split(".");
  return table === id ? Number(offset) || 0 : 0;
}

function pageParam(id: string, served: unknown, offset: number) {
  return served ? { offset: offset || null } : { rows: offset ? `${id}.${offset}` : null };
}

function cell<Row>(column: Column<Row>, row: Row, whole: boolean): ComponentChildren {
  const value = column.value(row);
  const shown = column.cell?.(row);
  if (column.filters && value !== null && value !== undefined && value !== "")
    return (
      <Value field={column.name} value={String(value)}>
        {shown}
      </Value>
    );
  if (shown !== undefined) return shown;
  if (typeof value === "number") return whole ? number(value) : decimal(value);
  return <Text>{value as string | null}</Text>;
}

function arranged<Row>(rows: Row[], columns: Column<Row>[], route: Route, by: string, down: boolean): Row[] {
  const tests = route.params.getAll("where").map((each) => each.split(/:(.*)/s));
  const named = new Map(columns.map((column) => [column.name, column]));
  const fitting = rows.filter((row) =>
    tests.every(([name = "", value]) => {
      const column = named.get(name);
      return !column?.filters || String(column.value(row) ?? "") === value;
    }),
  );
  const column = named.get(by);
  if (!column) return fitting;
  const order = (a: Row, b: Row) => compared(column.value(a), column.value(b), down);
  return [...fitting].sort(order);
}

/** Missing values come last in both directions. */
function compared(a: Plain, b: Plain, down: boolean): number {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  const sign = down ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

/** The table as Markdown. */
export function asMarkdown<Row>(columns: Column<Row>[], rows: Row[]): string {
  const cells = (row: Row) =>
    columns.map((column) => {
      const value = column.value(row);
      return typeof value === "number" ? number(value) : value?.toString();
    });
  return mdTable(
    columns.map((column) => column.head),
    rows.map(cells),
  );
}
