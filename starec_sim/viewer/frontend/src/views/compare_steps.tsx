import { stepHref, stepPath, useData } from "../api";
import { lineDiff } from "../diff";
import { useKeys } from "../keys";
import { DiffLines } from "../parts/DiffLines";
import { Await, Part } from "../parts/Page";
import { RewardBar } from "../parts/Reward";
import { Slate } from "../parts/Slate";
import { go, withParams, type Route } from "../router";
import { visible } from "../text";
import type { Address, Comparison, StepPage } from "../types";

/** The steps of one person in both, with what differs. */
export function Aligned({ view, route }: { view: Comparison; route: Route }) {
  const steps = view.steps;
  const chosen = steps.findIndex((each) => isChosen(each.at, route));
  const several = view.seeds.length > 1;
  const link = ({ round, step, seed }: Address) => withParams(route, { round, step, seed });
  const move = (by: number) => {
    const next = steps[chosen + by] ?? steps[chosen];
    if (next) go(link(next.at));
  };
  useKeys([
    { keys: "n", does: "next step of both", run: () => move(1) },
    { keys: "p", does: "previous step of both", run: () => move(-1) },
  ]);
  if (!steps.length) return <p class="quiet">She has no step in both.</p>;
  const first = steps.findIndex((each) => !each.same);
  return (
    <ol class="aligned">
      {steps.map((each, index) => (
        <li key={`${each.at.seed}/${each.at.round}/${each.at.step}`} class={each.same ? "same" : "differs"}>
          <a
            href={link(each.at)}
            title={each.parts.map(visible).join(", ")}
            aria-current={index === chosen ? "true" : undefined}
          >
            {several && `Seed ${each.at.seed}, `}
            {several ? "round" : "Round"} {each.at.round}, step {each.at.step}:{" "}
            <span class="quiet">{each.same ? "equal" : otherPart(each.parts[0] ?? "")}</span>{" "}
            {index === first && <span class="tag">first difference</span>}
          </a>
        </li>
      ))}
    </ol>
  );
}

function otherPart(part: string): string {
  return part === "step" ? "only on one side" : `other ${visible(part)}`;
}

/** Whether the URL names this step; without a seed, that of any seed. */
function isChosen(at: Address, { params }: Route): boolean {
  const seed = params.get("seed");
  return (
    String(at.round) === params.get("round") &&
    String(at.step) === (params.get("step") ?? "1") &&
    (seed === null || String(at.seed) === seed)
  );
}

/** One step of both sides: slates and texts beside each other. */
export function SideBySide({ view, route, user }: { view: Comparison; route: Route; user: string }) {
  const chosen = view.steps.find((each) => isChosen(each.at, route));
  const [seedA, seedB] = view.seeds.find(([seed]) => seed === chosen?.at.seed) ?? view.seeds[0] ?? [0, 0];
  const at = {
    user,
    round: Number(route.params.get("round")),
    step: Number(route.params.get("step") ?? 1),
  };
  const left = useData<StepPage>(stepPath(view.a.name, { ...at, arm: view.a.arm, seed: seedA }));
  const right = useData<StepPage>(stepPath(view.b.name, { ...at, arm: view.b.arm, seed: seedB }));
  return (
    <Part name={`Round ${at.round}, step ${at.step}`} note="Where texts differ, − is A and + is B." wide>
      <Await of={left}>{(a) => <Await of={right}>{(b) => <Both a={a} b={b} view={view} />}</Await>}</Await>
    </Part>
  );
}

function Both({ a, b, view }: { a: StepPage; b: StepPage; view: Comparison }) {
  const side = (page: StepPage, run: string, name: string) => (
    <div>
      <h3>
        <a href={stepHref(run, page.at)}>
          {name}: {visible(page.at.arm)}
        </a>
      </h3>
      <Slate places={page.slate} narrow />
      <RewardBar reward={page.reward} weights={page.reward_weights} />
      <p class="quiet">
        {page.slow ? "slow" : "fast"}: {visible(page.reason)}
      </p>
    </div>
  );
  const text = (page: StepPage, of: "prompt" | "answer") => {
    const turn = page.turns.find((each) => each.node === "fast") ?? page.turns[0];
    if (!turn) return "";
    return of === "answer" ? turn.completion : turn.messages.map(([, content]) => content).join("\n");
  };
  const texts: [string, string, string][] = [
    ["Memory before", a.memory_before.summary, b.memory_before.summary],
    ["Prompt", text(a, "prompt"), text(b, "prompt")],
    ["Answer", text(a, "answer"), text(b, "answer")],
    ["Memory after", a.summary_after, b.summary_after],
  ];
  return (
    <>
      <div class="beside halves">
        {side(a, view.a.name, "A")}
        {side(b, view.b.name, "B")}
      </div>
      {texts.map(([name, before, after]) => (
        <div key={name}>
          <h3>{name}</h3>
          <DiffLines changes={lineDiff(before, after)} />
        </div>
      ))}
    </>
  );
}
