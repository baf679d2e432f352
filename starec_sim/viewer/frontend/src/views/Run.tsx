import { useMemo } from "preact/hooks";
import { api, stepHref, useData } from "../api";
import type { ViewProps } from "../App";
import { mdBlock, mdPage } from "../markdown";
import { Chart, Legend, type Series } from "../parts/Chart";
import { Chips } from "../parts/Chips";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { asMarkdown, Table, type Column } from "../parts/Table";
import { LongText } from "../parts/Text";
import { python, showCommand } from "../snippets";
import { count, money, number, percent, time, visible } from "../text";
import type { Overview, RunRow } from "../types";

/** What came out of this run, and what did it cost? */
export function RunView({ run }: ViewProps) {
  const loaded = useData<Overview>(api(run.name));
  return <Await of={loaded}>{(view) => <Page view={view} run={run} />}</Await>;
}

interface Total {
  metric: string;
  label: string;
  direction: string;
  arms: Map<string, Overview["totals"][number]>;
}

type Calls = Overview["calls"][number];
type Failed = Overview["errors"][number];
type Funnel = Overview["funnel"][number];

function Page({ view, run }: { view: Overview; run: RunRow }) {
  const { run: of } = view;
  const rows = totalRows(view);
  const totals = totalColumns(view);
  return (
    <>
      <PageHead
        title={of.name}
        copy={{
          json: view,
          markdown: () => mdPage(
            of.name, `${of.kind}, ${of.status}, digest ${of.digest ?? "none yet"}`,
            asMarkdown(totals, rows), asMarkdown(CALLS, view.calls),
            mdBlock(JSON.stringify(view.configuration, null, 2), "json"),
          ),
          command: view.command ?? showCommand(of.name),
          python: python(run.folder ?? `runs/${of.name}`, "metrics"),
        }}
      >
        <Facts of={of} />
      </PageHead>
      <Chips />
      {of.note && <LongText text={of.note} />}
      {view.totals.length > 0 && (
        <Part name="Totals" note="Means over all rounds, with 95 % intervals.">
          <Table id="totals" caption="Totals by arm" hideCaption columns={totals} rows={rows}
            rowKey={(row) => row.metric} />
        </Part>
      )}
      <Metrics view={view} />
      {view.funnel.length > 0 && (
        <Part name="Funnel" note="From what was shown to what was liked.">
          <Table id="funnel" caption="Funnel" hideCaption columns={FUNNEL} rows={view.funnel} rowKey={(row) => row.arm} />
        </Part>
      )}
      <Part name="Calls" note="Of policies, by node.">
        <Table id="calls" caption="Calls of policies" hideCaption columns={CALLS} rows={view.calls}
          rowKey={(row) => `${row.arm}/${row.node}/${row.policy}`} />
      </Part>
      <Part name="Errors">
        {view.errors.length === 0 ? <p>None.</p> : (
          <Table id="errors" caption="Errors" hideCaption columns={errorColumns(of.name)} rows={view.errors}
            rowKey={(row) => `${row.cause}/${row.text}`} />
        )}
      </Part>
      <Part name="Configuration" note="With every default.">
        <LongText text={configuration(view.configuration)} lines={16} class="mono" />
      </Part>
    </>
  );
}

function Facts({ of }: { of: Overview["run"] }) {
  const rounds = of.rounds && of.rounds !== of.rounds_done ? `${of.rounds_done} of ${of.rounds} rounds` : count(of.rounds_done, "round");
  return (
    <>
      {of.kind} · <span class={`status ${of.status}`}>{of.status}</span> · {time(of.started)}
      {of.ended && ` to ${time(of.ended)}`} · {count(of.users, "user")} · {rounds} ·{" "}
      {of.seeds.length === 1 ? `seed ${of.seeds[0]}` : `seeds ${of.seeds.join(", ")}`} · starec-sim {visible(of.version)}
      {of.digest && <> · digest <code title={of.digest}>{of.digest.slice(0, 16)}</code></>}
    </>
  );
}

function Metrics({ view }: { view: Overview }) {
  const charts = useMemo(() => chartsOf(view), [view]);
  if (!charts.length) return <Empty command={`starec resume ${view.run.name}`}>No round is finished yet.</Empty>;
  const arms = [...new Set(view.metrics.map((each) => each.arm))];
  return (
    <Part name="Metrics" note={<><p>By round; bands are 95 % intervals over users.</p>{arms.length > 1 && <Legend names={arms} />}</>}>
      <div class="charts">
        {charts.filter((chart) => !isZero(chart)).map((chart) => <Chart key={chart.title} {...chart} xName="round" />)}
      </div>
      {charts.some(isZero) && <p class="quiet">Always 0: {charts.filter(isZero).map((chart) => visible(chart.title)).join(", ")}.</p>}
    </Part>
  );
}

function isZero({ series }: { series: Series[] }): boolean {
  return series.every((each) => each.values.every((value) => !value));
}

function chartsOf(view: Overview) {
  const arms = [...new Set(view.metrics.map((each) => each.arm))];
  const charts = [...Map.groupBy(view.metrics, (each) => each.metric)].map(([, same]) => {
    const xs = [...new Set(same.flatMap((each) => each.rounds.map((value) => value.round)))].sort((a, b) => a - b);
    const series = arms.flatMap((arm) => {
      const one = same.find((each) => each.arm === arm);
      if (!one) return [];
      const at = new Map(one.rounds.map((value) => [value.round, value]));
      const of = (field: "mean" | "low" | "high") => xs.map((x) => at.get(x)?.[field] ?? null);
      return [{ name: arm, values: of("mean"), low: of("low"), high: of("high") }];
    });
    const direction = same[0]?.direction;
    return { title: same[0]?.label ?? "", about: direction ? `${direction} is better` : "", xs, series };
  });
  const longest = Math.max(0, ...view.slow_share.map((each) => each.rounds.length));
  if (longest && !view.metrics.some((each) => each.metric === "slow"))
    charts.push({
      title: "slow thinking", about: "share of steps",
      xs: Array.from({ length: longest }, (_, index) => index + 1),
      series: view.slow_share.map((each) => ({ name: each.arm, values: each.rounds, low: [], high: [] })),
    });
  return charts;
}

/** One row a metric, one column an arm; what is 0 everywhere is left out. */
function totalRows(view: Overview): Total[] {
  const infos = new Map(view.metrics.map((each) => [each.metric, each]));
  return [...Map.groupBy(view.totals, (each) => each.metric)]
    .filter(([, same]) => same.some((each) => each.mean))
    .map(([metric, same]) => ({
      metric, label: infos.get(metric)?.label ?? metric, direction: infos.get(metric)?.direction ?? "",
      arms: new Map(same.map((each) => [each.arm, each])),
    }));
}

function totalColumns(view: Overview): Column<Total>[] {
  const arms = [...new Set(view.totals.map((each) => each.arm))];
  return [
    { name: "metric", head: "metric", value: (row) => row.label, nowrap: true },
    ...arms.map((arm): Column<Total> => ({
      name: `arm-${arm}`, head: visible(arm), value: (row) => row.arms.get(arm)?.mean, cell: (row) => <Mean of={row.arms.get(arm)} />,
    })),
    { name: "direction", head: "better", value: (row) => row.direction },
  ];
}

function Mean({ of }: { of: Overview["totals"][number] | undefined }) {
  if (!of) return <>–</>;
  const known = of.low !== null && of.high !== null;
  return <>{number(of.mean)} {known && <span class="quiet">[{number(of.low)}, {number(of.high)}]</span>}</>;
}

const share = (part: number, whole: number) => (
  <>{number(part)} <span class="quiet">{whole ? percent(part / whole) : ""}</span></>
);

const FUNNEL: Column<Funnel>[] = [
  { name: "arm", head: "arm", value: (row) => row.arm, filters: true },
  { name: "shown", head: "shown", value: (row) => row.shown },
  { name: "chosen", head: "chosen", about: "Share of shown", value: (row) => row.chosen, cell: (row) => share(row.chosen, row.shown) },
  { name: "liked", head: "liked", about: "Share of chosen", value: (row) => row.liked, cell: (row) => share(row.liked, row.chosen) },
  { name: "left", head: "left for good", value: (row) => row.left },
];

const CALLS: Column<Calls>[] = [
  { name: "arm", head: "arm", value: (row) => row.arm, filters: true },
  { name: "node", head: "node", value: (row) => row.node, filters: true },
  { name: "policy", head: "policy", value: (row) => row.policy, filters: true },
  { name: "calls", head: "calls", value: (row) => row.calls },
  { name: "tokens_in", head: "tokens in", value: (row) => row.tokens_in },
  { name: "tokens_out", head: "tokens out", value: (row) => row.tokens_out },
  { name: "seconds", head: "seconds each", value: (row) => (row.seconds === null ? null : row.seconds / Math.max(1, row.calls)) },
  { name: "cost_usd", head: "cost", value: (row) => row.cost_usd, cell: (row) => money(row.cost_usd) },
  { name: "cache_hits", head: "from cache", value: (row) => row.cache_hits },
  { name: "failed", head: "failed", value: (row) => row.failed },
];

function errorColumns(run: string): Column<Failed>[] {
  return [
    { name: "cause", head: "cause", value: (row) => row.cause, filters: true },
    { name: "text", head: "what happened", value: (row) => row.text },
    { name: "count", head: "times", value: (row) => row.count },
    {
      name: "example", head: "for example", plain: true, value: (row) => row.example?.user,
      cell: (row) => row.example && (
        <a href={stepHref(run, row.example)}>{visible(row.example.user)}, round {row.example.round}</a>
      ),
    },
  ];
}

function configuration(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
