import { type Loaded, useData } from "../api";
import { Chips } from "../parts/Chips";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { Table } from "../parts/Table";
import { LongText } from "../parts/Text";
import { Choice } from "../parts/Trial";
import { type Route, go, href, search, withParams } from "../router";
import { diffCommand, leavingOut, pythonOfTwo } from "../snippets";
import { count, visible } from "../text";
import type { Comparison, RunRow } from "../types";
import { Aligned, SideBySide } from "./compare_steps";
import { comparisonMarkdown } from "./compare_markdown";
import { CHANGED, METRICS } from "./compare_tables";

/** How do two runs, arms or versions differ, and where do they part first? */
export function CompareView({ runs, route }: { runs: Loaded<RunRow[]>; route: Route }) {
  return <Await of={runs}>{(all) => <Choose all={all} route={route} />}</Await>;
}

function Choose({ all, route }: { all: RunRow[]; route: Route }) {
  const of = (name: string) => route.params.get(name) ?? "";
  const [a, b] = [of("a"), of("b")];
  const armsOf = (name: string) => all.find((run) => run.name === name)?.arms ?? [];
  const choose = (name: string) => (value: string) =>
    go(withParams(route, { [name]: value, round: null, step: null, seed: null }));
  // Which arm is compared when none is chosen, as in `starec diff`.
  const unchosen = (side: "A" | "B") => {
    const first = a === b && side === "A";
    const training = all.find((run) => run.name === (side === "A" ? a : b))?.kind === "training";
    if (training) return first ? "the first validation" : "the last validation";
    if (a === b) return first ? "the first" : "the second";
    return armsOf(a).some((arm) => armsOf(b).includes(arm)) ? "the first in both" : "the first";
  };
  const names = all.map((run) => run.name);
  const asked = search({ a, b, arm_a: of("arm_a"), arm_b: of("arm_b"), user: of("user") });
  return (
    <>
      <div class="tools">
        <Choice label="A" value={a} options={names} none="choose a run" choose={choose("a")} />
        {armsOf(a).length > 1 && (
          <Choice
            label="arm of A"
            value={of("arm_a")}
            options={armsOf(a)}
            none={unchosen("A")}
            choose={choose("arm_a")}
          />
        )}
        <Choice label="B" value={b} options={names} none="choose a run" choose={choose("b")} />
        {armsOf(b).length > 1 && (
          <Choice
            label="arm of B"
            value={of("arm_b")}
            options={armsOf(b)}
            none={unchosen("B")}
            choose={choose("arm_b")}
          />
        )}
        {a && b && <UserField route={route} />}
      </div>
      {a && b ? (
        <Compared path={`api/compare?${asked}`} route={route} />
      ) : (
        <>
          <PageHead title="Compare" />
          <Empty command="starec diff RUN_A RUN_B">
            Choose two runs, or two arms of one run. On the command line:
          </Empty>
        </>
      )}
    </>
  );
}

function UserField({ route }: { route: Route }) {
  const change = (event: Event) =>
    go(
      withParams(route, {
        user: (event.currentTarget as HTMLInputElement).value.trim(),
        round: null,
        step: null,
      }),
    );
  return (
    <label class="choice">
      user{" "}
      <input
        value={route.params.get("user") ?? ""}
        placeholder="an id"
        size={8}
        maxLength={100}
        onChange={change}
      />
    </label>
  );
}

function Compared({ path, route }: { path: string; route: Route }) {
  const loaded = useData<Comparison>(path);
  return (
    <Await of={loaded}>
      {(view) => {
        const { a, b } = view;
        const name = (side: Comparison["a"]) =>
          a.folder === b.folder ? side.arm : `${side.name}, ${side.arm}`;
        const user = route.params.get("user");
        const round = route.params.get("round");
        const beside =
          user !== null && round !== null && `round ${round}, step ${route.params.get("step") ?? 1}`;
        return (
          <>
            <PageHead
              title={`${name(a)} and ${name(b)}`}
              copy={{
                json: view,
                markdown: () => comparisonMarkdown(view, user, beside),
                command: leavingOut(
                  diffCommand(a, b, { arm: a.arm, "arm-b": b.arm, user }),
                  beside && `the texts and slates of ${beside}`,
                ),
                python: pythonOfTwo(a, b, user),
              }}
            >
              A is {visible(name(a))}, B is {visible(name(b))}.{" "}
              {view.same_world ? "Both have the same world" : "The worlds differ"}: {visible(view.world)}.
            </PageHead>
            <Chips />
            <Part name="They part">
              {view.common_users ? (
                <FirstDifference view={view} route={route} />
              ) : (
                <NobodyCommon view={view} />
              )}
            </Part>
            {user && (
              <Part
                name={`Steps of ${visible(user)}`}
                note="Aligned by round and step. Each step names the first of its parts that differs."
              >
                <Aligned view={view} route={route} />
              </Part>
            )}
            {user && beside && <SideBySide view={view} route={route} user={user} />}
            <Part
              name="Metrics"
              note={
                <>
                  <p>B minus A, paired by user or seed, over {view.window}.</p>
                  {view.metrics.some((row) => row.low !== null) && (
                    <p>The upright line of each interval is zero. Each is drawn to a scale of its own.</p>
                  )}
                </>
              }
            >
              {view.metrics.length ? (
                <Table
                  id="metrics"
                  caption="Paired differences of metrics"
                  hideCaption
                  columns={METRICS}
                  rows={view.metrics}
                  rowKey={(row) => row.metric}
                />
              ) : (
                <p>No metric is on record on both sides for the same users or seeds.</p>
              )}
            </Part>
            <Part name="Configuration">
              {view.configuration.length ? (
                <Table
                  id="configuration"
                  caption="Differences of the configuration"
                  hideCaption
                  columns={CHANGED}
                  rows={view.configuration}
                  rowKey={(row) => row.key}
                />
              ) : (
                <p>Equal.</p>
              )}
            </Part>
            <Part name="Versions">
              {view.versions.length ? (
                <Table
                  id="versions"
                  caption="Differences of versions"
                  hideCaption
                  columns={CHANGED}
                  rows={view.versions}
                  rowKey={(row) => row.key}
                />
              ) : (
                <p>Equal.</p>
              )}
            </Part>
          </>
        );
      }}
    </Await>
  );
}

/** Two runs of other users: what can be compared instead. */
function NobodyCommon({ view: { a, b } }: { view: Comparison }) {
  const sides = a.folder === b.folder ? [a] : [a, b];
  const several = sides.filter((side) => side.other_arms.length);
  return (
    <>
      <p>No user is in both, so no step can be compared with another.</p>
      <p>
        Compare two runs with the same users (the same data and seed)
        {several.length > 0 && (
          <>
            , or two arms of one run:{" "}
            {several.map((side, index) => (
              <span key={side.name}>
                {index > 0 && ", "}
                <a href={href(["compare"], armsOfOne(side))}>{visible(side.name)}</a>
              </span>
            ))}
          </>
        )}
        .
      </p>
    </>
  );
}

function armsOfOne({ name, arm, other_arms }: Comparison["a"]) {
  return { a: name, b: name, arm_a: arm, arm_b: other_arms[0] };
}

function FirstDifference({ view, route }: { view: Comparison; route: Route }) {
  const first = view.first_difference;
  if (!first) return <p>They do not: every step of {count(view.rounds, "round")} is equal.</p>;
  const { user, round, step } = first.at;
  return (
    <>
      <p>
        First in the <strong>{first.part}</strong>
        {first.node && ` (${visible(first.node)})`} of{" "}
        <a
          href={href(
            ["compare"],
            mergedParams(route, {
              user,
              round: String(round),
              step: String(step),
              seed: String(first.at.seed),
            }),
          )}
        >
          {visible(user)}, round {round}, step {step}
        </a>
        .
      </p>
      <div class="beside">
        <div>
          <h3>A</h3>
          <LongText text={first.a} />
        </div>
        <div>
          <h3>B</h3>
          <LongText text={first.b} />
        </div>
      </div>
    </>
  );
}

function mergedParams(route: Route, changes: Record<string, string>): URLSearchParams {
  const params = new URLSearchParams(route.params);
  Object.entries(changes).forEach(([name, value]) => params.set(name, value));
  return params;
}
