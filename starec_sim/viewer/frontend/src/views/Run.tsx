import type { ViewProps } from "../App";
import { api, useData } from "../api";
import { mdBlock, mdPage, mdText } from "../markdown";
import { Chips } from "../parts/Chips";
import { Kept } from "../parts/NotRecorded";
import { Await, PageHead, Part } from "../parts/Page";
import { Table, asMarkdown } from "../parts/Table";
import { LongText } from "../parts/Text";
import { leavingOut, python, showCommand } from "../snippets";
import { count, time, visible } from "../text";
import type { Overview, RunRow } from "../types";
import { Metrics } from "./run_charts";
import { CALLS, FUNNEL, errorColumns, roundsMarkdown, totalColumns, totalRows } from "./run_tables";

/** What came out of this run, and what did it cost? */
export function RunView({ run }: ViewProps) {
  const loaded = useData<Overview>(api(run.name));
  return <Await of={loaded}>{(view) => <Page view={view} run={run} />}</Await>;
}

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
          markdown: () =>
            mdPage(
              of.name,
              `${of.kind}, ${of.status}, digest ${of.digest ?? "none yet"}`,
              ...runMarkdown(view),
              "## Configuration",
              mdBlock(JSON.stringify(view.configuration, null, 2), "json"),
            ),
          command: leavingOut(
            view.command ?? showCommand(run),
            view.funnel.length > 0 && "the funnel",
            view.errors.length > 0 && "examples of errors",
            "the configuration",
          ),
          python: python(run, "metrics", {}, "calls, errors and counts are in run.turns() and run.steps()"),
        }}
      >
        <Facts of={of} />
      </PageHead>
      <Chips />
      {of.note && <LongText text={of.note} />}
      {view.totals.length > 0 && (
        <Part name="Totals" note={`Means over ${visible(view.window)}. In brackets: 95 % intervals.`}>
          <Table
            id="totals"
            caption="Totals by arm"
            hideCaption
            columns={totals}
            rows={rows}
            rowKey={(row) => row.metric}
          />
        </Part>
      )}
      <Metrics view={view} />
      {view.funnel.length > 0 && (
        <Part
          name="Funnel"
          note={
            <>
              <p>From what was shown to what was liked.</p>
              <p>
                Left early: visits that ended because she left.
                {view.metrics.some((each) => each.metric === "exits") &&
                  " The metric exits also counts visits that ended because she was tired."}
              </p>
            </>
          }
        >
          <Table
            id="funnel"
            caption="Funnel"
            hideCaption
            columns={FUNNEL}
            rows={view.funnel}
            rowKey={(row) => row.arm}
          />
        </Part>
      )}
      {of.record === "metrics" ? (
        <Part name="Not on record">
          <p>
            Funnel, calls and errors: the run was <Kept of={of} />, which keeps no steps of users. On the command line: <code>{showCommand(run)}</code>
          </p>
        </Part>
      ) : (
        <CallsAndErrors view={view} />
      )}
      <Part name="Configuration" note="With every default.">
        <LongText text={configuration(view.configuration)} lines={16} class="mono" />
      </Part>
    </>
  );
}

/** The parts of the page but its configuration. */
function runMarkdown(view: Overview): string[] {
  const rows = totalRows(view);
  const part = (name: string, table: string, shown: boolean) => (shown ? [`## ${name}`, table] : []);
  return [
    ...part("Totals", asMarkdown(totalColumns(view), rows), rows.length > 0),
    ...(rows.length ? [`${mdText(`Means over ${view.window}`)}.`] : []),
    ...part("Metrics by round", roundsMarkdown(view), rows.length > 0),
    ...part("Funnel", asMarkdown(FUNNEL, view.funnel), view.funnel.length > 0),
    ...part("Calls", asMarkdown(CALLS, view.calls), view.calls.length > 0),
    ...part("Errors", asMarkdown(errorColumns(view.run.name), view.errors), view.errors.length > 0),
  ];
}

function CallsAndErrors({ view }: { view: Overview }) {
  return (
    <>
      <Part name="Calls" note="Of policies, by node.">
        {view.calls.length === 0 ? (
          <p>No policy was asked.</p>
        ) : (
          <Table
            id="calls"
            caption="Calls of policies"
            hideCaption
            columns={CALLS}
            rows={view.calls}
            rowKey={(row) => `${row.arm}/${row.node}/${row.policy}`}
          />
        )}
      </Part>
      <Part name="Errors">
        {view.errors.length === 0 ? (
          <p>None.</p>
        ) : (
          <Table
            id="errors"
            caption="Errors"
            hideCaption
            columns={errorColumns(view.run.name)}
            rows={view.errors}
            rowKey={(row) => `${row.cause}/${row.text}`}
          />
        )}
      </Part>
    </>
  );
}

function Facts({ of }: { of: Overview["run"] }) {
  const rounds =
    of.rounds && of.rounds !== of.rounds_done
      ? `${of.rounds_done} of ${of.rounds} rounds`
      : count(of.rounds_done, "round");
  const played = of.trials > 1 ? `${rounds} in ${of.trials} trials` : rounds;
  return (
    <>
      {of.kind} · <span class={`status ${of.status}`}>{of.status}</span> · {time(of.started)}
      {of.ended && ` to ${time(of.ended)}`} · {count(of.users, "user")} · {played} ·{" "}
      {of.seeds.length === 1 ? `seed ${of.seeds[0]}` : `seeds ${of.seeds.join(", ")}`} · starec-sim{" "}
      {visible(of.version)}
      {of.digest && (
        <>
          {" "}
          · digest <code title={of.digest}>{of.digest.slice(0, 16)}</code>
        </>
      )}
    </>
  );
}

function configuration(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
