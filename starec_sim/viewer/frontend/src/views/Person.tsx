import { api, stepHref, useData } from "../api";
import type { ViewProps } from "../App";
import { mdPage, mdTable } from "../markdown";
import { useKeys } from "../keys";
import { Traits } from "../parts/Chips";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { Stars } from "../parts/Stars";
import { LongText } from "../parts/Text";
import { TrialChoice, trialOf } from "../parts/Trial";
import { go, href, replace, withParams } from "../router";
import { python, showCommand } from "../snippets";
import { count, number, visible } from "../text";
import type { Person, RunRow, VisitStep } from "../types";

/** What happened to her, visit by visit? */
export function PersonView({ run, route }: ViewProps) {
  const user = route.path[3] ?? "";
  const trial = trialOf(run, route);
  const loaded = useData<Person>(api(run.name, "person", { ...trial, user }));
  return (
    <Await of={loaded}>
      {(person) => (
        <>
          <PageHead
            title={person.user}
            copy={{
              json: person,
              markdown: () => markdown(person),
              command: showCommand(run.name, { user, ...trial }),
              python: python(run.folder ?? `runs/${run.name}`, "steps", { user, ...trial }),
            }}
          >
            <Traits profile={person.profile} />
          </PageHead>
          <div class="tools">
            <TrialChoice run={run} route={route} />
            {run.arms.length > 1 && (
              <a href={href(["compare"], { a: run.name, b: run.name, arm_a: trial.arm, arm_b: run.arms.find((arm) => arm !== trial.arm), user })}>
                Compare her in two arms
              </a>
            )}
          </div>
          <Visits person={person} run={run} chosen={Number(route.params.get("round") ?? 0)}
            choose={(round) => withParams(route, { round })} />
          {person.summary_now && (
            <Part name="Remembers now"><LongText text={person.summary_now} class="columns" /></Part>
          )}
        </>
      )}
    </Await>
  );
}

function Visits({ person, run, chosen, choose }: {
  person: Person;
  run: RunRow;
  chosen: number;
  choose: (round: number) => string;
}) {
  const rounds = person.visits.map((visit) => visit.round);
  const at = rounds.indexOf(chosen);
  const move = (by: number) => {
    const round = rounds[Math.max(0, Math.min(rounds.length - 1, at < 0 ? 0 : at + by))];
    if (round === undefined) return;
    replace(choose(round));
    document.getElementById(`visit-${round}`)?.scrollIntoView({ block: "nearest" });
  };
  const open = person.visits[Math.max(0, at)]?.steps[0];
  const round = rounds[Math.max(0, at)] ?? 1;
  const address = (step: number) => ({ arm: person.arm, seed: person.seed, user: person.user, round, step });
  useKeys([
    { keys: "n", does: "next visit", run: () => move(1) },
    { keys: "p", does: "previous visit", run: () => move(-1) },
    { keys: "Enter", does: "open the visit", run: () => open && go(stepHref(run.name, address(open.step))) },
  ]);
  const link = (round: number, step: number) => stepHref(run.name, { ...address(step), round });
  if (!rounds.length) return <Empty command={showCommand(run.name)}>She has not visited yet.</Empty>;
  if (person.visits.every((visit) => visit.steps.length === 1))
    return (
      <ol class="pages-row">
        {person.visits.map(({ round, steps: [step] }) => step && (
          <Page key={round} id={`visit-${round}`} name={`Round ${round}`} step={step}
            link={link(round, step.step)} chosen={round === chosen} />
        ))}
      </ol>
    );
  return (
    <>
      {person.visits.map((visit) => (
        <section key={visit.round} id={`visit-${visit.round}`} class={`part${visit.round === chosen ? " chosen" : ""}`} aria-label={`Round ${visit.round}`}>
          <div class="margin"><h2>Round {visit.round}</h2><div class="quiet">{count(visit.steps.length, "step")}</div></div>
          <ol class="pages-row">
            {visit.steps.map((step) => (
              <Page key={step.step} name={`Step ${step.step}`} step={step} link={link(visit.round, step.step)} />
            ))}
          </ol>
        </section>
      ))}
    </>
  );
}

const SHOWN = 10;

/** The items of a slate that a card has place for: always those that she chose or found out about. */
function seen(step: VisitStep): VisitStep["slate"] {
  const matters = (id: string) => step.chosen.includes(id) || step.stars[id] !== undefined;
  let others = SHOWN - step.slate.filter((item) => matters(item.id)).length;
  return step.slate.filter((item) => matters(item.id) || others-- > 0);
}

/** One step as a card: what was shown, what she chose, and what came of it. */
function Page({ id, name, step, link, chosen = false }: {
  id?: string;
  name: string;
  step: VisitStep;
  link: string;
  chosen?: boolean;
}) {
  const places = seen(step);
  const flaws = Object.values(step.flaws).reduce((sum, n) => sum + n, 0);
  return (
    <li class={`card${chosen ? " chosen" : ""}`} id={id}>
      <a href={link}><strong>{name}</strong></a>{" "}
      <span class="quiet">{step.task === "feed" ? `page ${step.page}` : visible(step.task)}</span>
      <ul>
        {places.map((item) => (
          <li key={item.id} class={step.chosen.includes(item.id) ? "picked" : "quiet"}>
            <span class="title" title={visible(item.title)}>
              <span aria-hidden="true">{step.chosen.includes(item.id) ? "● " : "○ "}</span>
              {step.chosen.includes(item.id) && <span class="hidden">chosen: </span>}
              {visible(item.title)}
            </span>
            {step.stars[item.id] !== undefined && <Stars value={step.stars[item.id]} />}
          </li>
        ))}
        {step.slate.length > places.length && <li class="quiet">and {step.slate.length - places.length} more</li>}
      </ul>
      <p>
        {step.reward_total !== null && <>reward {number(step.reward_total)} · </>}
        {step.slow ? <strong>slow</strong> : "fast"}: <span class="quiet">{visible(step.reason)}</span>
        {flaws > 0 && <span class="warn"> · {count(flaws, "flaw")}</span>}
        {step.ending && <> · ends: {visible(step.ending)}</>}
      </p>
    </li>
  );
}

function markdown(person: Person): string {
  const rows = person.visits.flatMap((visit) =>
    visit.steps.map((step) => [
      visit.round, step.step,
      step.slate.filter((item) => step.chosen.includes(item.id)).map((item) => item.title).join(", "),
      step.slow ? "slow" : "fast", step.reason, number(step.reward_total), step.ending,
    ]),
  );
  return mdPage(
    person.user,
    Object.entries(person.profile).map(([name, value]) => `${name}: ${value}`).join(", "),
    mdTable(["round", "step", "chosen", "thinking", "reason", "reward", "ending"], rows),
  );
}
