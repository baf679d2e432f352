import { Chart, Legend, type Series } from "../parts/Chart";
import { Empty, Part } from "../parts/Page";
import { visible } from "../text";
import type { Overview } from "../types";
import { useMemo } from "preact/hooks";

/** Each metric by round, all arms in one chart; what is always 0 is only named. */
export function Metrics({ view }: { view: Overview }) {
  const charts = useMemo(() => chartsOf(view), [view]);
  if (!charts.length)
    return <Empty command={`starec resume ${view.run.name}`}>No round is finished yet.</Empty>;
  const arms = [...new Set(view.metrics.map((each) => each.arm))];
  return (
    <Part
      name="Metrics"
      note={
        <>
          <p>By round; bands are 95 % intervals over {view.run.record === "metrics" ? "seeds" : "users"}.</p>
          {arms.length > 1 && <Legend names={arms} />}
        </>
      }
    >
      <div class="charts">
        {charts
          .filter((chart) => !isZero(chart))
          .map((chart) => (
            <Chart key={chart.title} {...chart} xName="round" />
          ))}
      </div>
      {charts.some(isZero) && (
        <p class="quiet">
          Always 0:{" "}
          {charts
            .filter(isZero)
            .map((chart) => visible(chart.title))
            .join(", ")}
          .
        </p>
      )}
    </Part>
  );
}

function isZero({ series }: { series: Series[] }): boolean {
  return series.every((each) => each.values.every((value) => !value));
}

function chartsOf(view: Overview) {
  const arms = [...new Set(view.metrics.map((each) => each.arm))];
  const charts = [...Map.groupBy(view.metrics, (each) => each.metric)].map(([, same]) => {
    const xs = [...new Set(same.flatMap((each) => each.rounds.map((value) => value.round)))].sort(
      (a, b) => a - b,
    );
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
      title: "slow thinking",
      about: "share of steps",
      xs: Array.from({ length: longest }, (_, index) => index + 1),
      series: view.slow_share.map((each) => ({ name: each.arm, values: each.rounds, low: [], high: [] })),
    });
  return charts;
}
