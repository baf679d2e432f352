import { Fragment } from "preact";
import type { Loaded } from "../api";
import { Chips } from "../parts/Chips";
import { Await, Empty, PageHead } from "../parts/Page";
import { SearchBox } from "../parts/SearchBox";
import { asMarkdown, Table, type Column } from "../parts/Table";
import { mdPage } from "../markdown";
import { go, href, replace, withParams, type Route } from "../router";
import { pythonOfAll, runsCommand } from "../snippets";
import { brief, money, number, time, visible } from "../text";
import type { RunRow } from "../types";

/** Which runs are there? Two of them can be picked and compared. */
export function RunsView({ runs, route }: { runs: Loaded<RunRow[]>; route: Route }) {
  return <Await of={runs}>{(all) => <List all={all} route={route} />}</Await>;
}

function List({ all, route }: { all: RunRow[]; route: Route }) {
  const words = route.params.get("q") ?? "";
  const picked = route.params.getAll("pick");
  const rows = all.filter((run) =>
    words
      .toLowerCase()
      .split(/\s+/)
      .every((word) => JSON.stringify(run).toLowerCase().includes(word)),
  );
  const pick = (name: string) => {
    const others = picked.filter((each) => each !== name);
    const next = others.length < picked.length ? others : [...picked, name].slice(-2);
    go(withParams(route, { pick: next }));
  };
  const [a, b] = picked;
  const several = all.length > 1;
  const table = columns(all, picked, pick).filter((column) => several || column.name !== "pick");
  return (
    <>
      <PageHead
        title="Runs"
        copy={{
          json: rows,
          markdown: () =>
            mdPage(
              "Runs",
              asMarkdown(
                table.filter(({ name }) => name !== "pick"),
                rows,
              ),
            ),
          command: runsCommand(all[0]),
          python: pythonOfAll(rows),
        }}
      >
        {number(all.length)} in this folder.{" "}
        {a && b ? (
          <a class="button" href={href(["compare"], { a, b })}>
            Compare the two
          </a>
        ) : (
          several && "Pick two to compare them."
        )}
      </PageHead>
      <div class="tools">
        <SearchBox
          label="Filter runs"
          value={words}
          onInput={(q) => replace(withParams(route, { q }))}
          onEnter={() => rows[0] && go(href(["run", rows[0].name]))}
        />
        <Chips />
      </div>
      {all.length === 0 ? (
        <Empty command="starec run experiments/01_quickstart">
          There is no run in this folder yet. Make one:
        </Empty>
      ) : (
        <Table id="runs" caption="Runs" hideCaption columns={table} rows={rows} rowKey={(run) => run.name} />
      )}
    </>
  );
}

function columns(all: RunRow[], picked: string[], pick: (name: string) => void): Column<RunRow>[] {
  return [
    {
      name: "pick",
      head: "",
      plain: true,
      value: (run) => picked.includes(run.name),
      cell: (run) => (
        <input
          type="checkbox"
          aria-label={`Pick ${visible(run.name)}`}
          checked={picked.includes(run.name)}
          onChange={() => pick(run.name)}
        />
      ),
    },
    {
      name: "name",
      head: "run",
      nowrap: true,
      value: (run) => run.name,
      cell: (run) => <a href={href(["run", run.name])}>{visible(run.name)}</a>,
    },
    { name: "kind", head: "kind", value: (run) => run.kind, filters: true },
    { name: "experiment", head: "experiment", value: (run) => run.experiment, filters: true },
    {
      name: "status",
      head: "status",
      value: (run) => run.status,
      filters: true,
      cell: (run) => (
        <span class={`status ${run.status}`} title={run.problem ?? ""}>
          {run.status}
        </span>
      ),
    },
    {
      name: "started",
      head: "started",
      nowrap: true,
      value: (run) => run.started,
      cell: (run) => time(run.started),
    },
    {
      name: "arms",
      head: "arms",
      nowrap: true,
      value: (run) => run.arms.join(", "),
      cell: (run) => armsOf(run),
    },
    { name: "seeds", head: "seeds", value: (run) => run.seeds.length, about: "How many" },
    { name: "users", head: "users", value: (run) => run.users },
    {
      name: "rounds",
      head: "rounds",
      about: "Of all arms and seeds together",
      value: (run) => run.rounds_done,
      cell: (run) =>
        run.rounds && run.rounds !== run.rounds_done
          ? `${run.rounds_done} of ${run.rounds}`
          : run.rounds_done,
    },
    {
      name: "headline",
      head: "main metrics",
      about: "Of the first arm; of a training, of its last validation. As in the totals of the run's page",
      plain: true,
      value: (run) => headline(run).join(" "),
      cell: (run) => (
        <>
          {headline(run).map((words) => (
            <Fragment key={words}>
              <span class="whole">{visible(words)}</span>{" "}
            </Fragment>
          ))}
          {run.problem && <span class="warn">{brief(run.problem)}</span>}
        </>
      ),
    },
    ...(all.some((run) => run.cost_usd !== null) ? [COST] : []),
  ];
}

const COST: Column<RunRow> = {
  name: "cost",
  head: "cost",
  value: (run) => run.cost_usd,
  cell: (run) => money(run.cost_usd),
};

/** ["loop:", "click-through 0.31 ·", "satisfaction 3.2"]; a single arm is not named. */
function headline(run: RunRow): string[] {
  const metrics = run.headline.map((each, index) => {
    const end = index < run.headline.length - 1 ? " ·" : "";
    return `${each.metric.replace(/_/g, " ")} ${number(each.value)}${end}`;
  });
  const named = run.arms.length > 1 && run.headline_arm && metrics.length;
  return named ? [`${run.headline_arm}:`, ...metrics] : metrics;
}

function armsOf(run: RunRow) {
  const all = visible(run.arms.join(", "));
  return all.length < 28 ? all : <span title={all}>{run.arms.length} arms</span>;
}
