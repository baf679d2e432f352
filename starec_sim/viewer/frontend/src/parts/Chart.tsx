import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { number, visible } from "../text";

export interface Series {
  name: string;
  values: (number | null)[];
  low?: (number | null)[];
  high?: (number | null)[];
  /** Where it stands in the legend of the page, which gives its colour; else its place in the chart. */
  place?: number;
}

interface Props {
  title: string;
  about?: string;
  xs: number[];
  xName: string;
  series: Series[];
  height?: number;
}

/** Which colour and dash a series has: the same for the same place in a list. */
export const COLOURS = 6;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4], [4, 2]];

/** Lines over rounds or steps, with intervals as bands, and the same as a table. */
export function Chart(props: Props) {
  const { title, about, xs, xName, series } = props;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let plot = draw(element, props);
    const redraw = () => {
      plot.destroy();
      plot = draw(element, props);
    };
    const watch = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: props.height ?? 150 }),
    );
    watch.observe(element);
    addEventListener("themechange", redraw);
    return () => {
      watch.disconnect();
      removeEventListener("themechange", redraw);
      plot.destroy();
    };
  }, [props]);
  const last = series.map((each) => `${each.name} ${number(each.values.at(-1))}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <strong>{visible(title)}</strong> {about && <span class="quiet">{about}</span>}
      </figcaption>
      <div ref={box} role="img" aria-label={visible(`${title} by ${xName}; at the end: ${last}`)} />
      <details>
        <summary>table</summary>
        <div class="table" tabIndex={0} role="group" aria-label={visible(`${title} by ${xName}`)}>
          <table>
            <thead>
              <tr>
                <th scope="col">{xName}</th>
                {series.map((each) => (
                  <th scope="col" class="number" key={each.name}>
                    {visible(each.name)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {xs.map((x, index) => (
                <tr key={x}>
                  <th scope="row">{number(x)}</th>
                  {series.map((each) => (
                    <td class="number" key={each.name}>
                      {number(each.values[index])}
                      {each.low && each.low[index] !== null && each.low[index] !== undefined && (
                        <span class="quiet">
                          {" "}
                          [{number(each.low[index])}, {number(each.high?.[index])}]
                        </span>
                      )}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

function draw(element: HTMLElement, { xs, series, height = 150 }: Props): uPlot {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const lines: uPlot.Series[] = [{}];
  const data: (number | null)[][] = [xs];
  const bands: uPlot.Band[] = [];
  series.forEach((each, at) => {
    const index = each.place ?? at;
    const stroke = colour(`--series-${index % COLOURS}`);
    const dash = DASHES[index % DASHES.length] ?? [];
    lines.push({ stroke, width: 1.75, dash, points: { show: xs.length < 16, size: 4, fill: stroke } });
    data.push(each.values);
    if (!each.low || !each.high) return;
    const band = { stroke: "transparent", width: 0, points: { show: false } };
    lines.push(band, band);
    data.push(each.high, each.low);
    bands.push({ series: [data.length - 2, data.length - 1], fill: `${stroke}26` });
  });
  const axis: uPlot.Axis = {
    stroke: colour("--quiet"),
    grid: { stroke: colour("--rule"), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  const options: uPlot.Options = {
    width: element.clientWidth || 300,
    height,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: around }, y: { range } },
    bands,
    series: lines,
    axes: [
      {
        ...axis,
        size: 22,
        incrs: [1, 2, 5, 10, 20, 50, 100, 500, 1000],
        ...(xs.length === 1 ? { splits: xs } : {}),
      },
      { ...axis, size: 46 },
    ],
  };
  return new uPlot(options, data as uPlot.AlignedData, element);
}

/** One round or step stands in the middle. */
function around(_: uPlot, low: number, high: number): [number, number] {
  return low === high ? [low - 1, high + 1] : [low, high];
}

/** The range of the values with a little room; a flat line stands in the middle. */
function range(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 && low < room * 3 ? 0 : low - room, high + room];
}

/** Names and marks of the series that all charts of a page share. */
export function Legend({ names }: { names: string[] }) {
  return (
    <ul class="legend" aria-label="Series">
      {names.map((name, index) => (
        <li key={name}>
          <svg width="26" height="8" aria-hidden="true">
            <line
              x1="0"
              x2="26"
              y1="4"
              y2="4"
              class={`stroke-${index % COLOURS}`}
              stroke-dasharray={DASHES[index % DASHES.length]?.join(" ")}
            />
          </svg>
          {visible(name)}
        </li>
      ))}
    </ul>
  );
}

/** A line of a few values without axes. */
export function Spark({ values }: { values: (number | null)[] }) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return <span class="quiet">–</span>;
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const x = (index: number) => 2 + (index * 76) / Math.max(1, values.length - 1);
  const points = values.flatMap((value, index) =>
    value === null ? [] : [`${x(index).toFixed(1)},${(17 - ((value - low) / span) * 14).toFixed(1)}`],
  );
  return (
    <svg
      class="spark"
      width="80"
      height="20"
      role="img"
      aria-label={values.map((v) => number(v, 2)).join(", ")}
    >
      <polyline points={points.join(" ")} />
    </svg>
  );
}
