import type { ViewProps } from "../App";
import { api, stepHref, useData } from "../api";
import { isBundle } from "../bundle";
import { useKeys } from "../keys";
import { mdPage, mdTable } from "../markdown";
import { Traits } from "../parts/Chips";
import { ErrorPage } from "../parts/ErrorPage";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { LongText } from "../parts/Text";
import { TrialChoice, trialOf } from "../parts/Trial";
import { VisitCard, rewardWords } from "../parts/VisitCard";
import { go, href, replace, withParams } from "../router";
import { python, showCommand } from "../snippets";
import { count, visible } from "../text";
import type { Failure, Person, RunRow } from "../types";

const NO_USER: Failure = {
  error: "The address names no user.",
  hint: "it ends in person/USER; choose one under People",
};

/** What happened to her, visit by visit? */
export function PersonView({ run, route }: ViewProps) {
  const user = route.path[3] ?? "";
  const trial = trialOf(run, route);
  const loaded = useData<Person>(user ? api(run.name, "person", { ...trial, user }) : null);
  if (!user) return <ErrorPage failure={NO_USER} />;
  return (
    <Await of={loaded}>
      {(person) => (
        <>
          <PageHead
            title={person.user}
            copy={{
              json: person,
              markdown: () => markdown(person),
              command: showCommand(run, { user, ...trial }),
              python: python(run, "steps", { user, ...trial }),
            }}
          >
            <Traits profile={person.profile} />
          </PageHead>
          <div class="tools">
            <TrialChoice run={run} route={route} />
            {isBundle ? null : run.kind === "training" ? (
              <a href={href(["compare"], { a: run.name, b: run.name, user })}>
                Compare her before and after the training
              </a>
            ) : (
              run.arms.length > 1 && (
                <a
                  href={href(["compare"], {
                    a: run.name,
                    b: run.name,
                    arm_a: trial.arm,
                    arm_b: run.arms.find((arm) => arm !== trial.arm),
                    user,
                  })}
                >
                  Compare her in two arms
                </a>
              )
            )}
          </div>
          <Visits
            person={person}
            run={run}
            chosen={Number(route.params.get("round") ?? 0)}
            choose={(round) => withParams(route, { round })}
          />
          {person.summary_now && (
            <Part name="Remembers now">
              <LongText text={person.summary_now} class="columns" />
            </Part>
          )}
        </>
      )}
    </Await>
  );
}

function Visits({
  person,
  run,
  chosen,
  choose,
}: {
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
    { keys: "o", does: "open the visit", run: () => open && go(stepHref(run.name, address(open.step))) },
  ]);
  const link = (round: number, step: number) => stepHref(run.name, { ...address(step), round });
  if (!rounds.length) return <NoVisits person={person} run={run} />;
  if (person.visits.every((visit) => visit.steps.length === 1))
    return (
      <ol class="pages-row">
        {person.visits.map(
          ({ round, steps: [step] }) =>
            step && (
              <VisitCard
                key={round}
                id={`visit-${round}`}
                name={`Round ${round}`}
                step={step}
                link={link(round, step.step)}
                chosen={round === chosen}
              />
            ),
        )}
      </ol>
    );
  return (
    <>
      {person.visits.map((visit) => (
        <section
          key={visit.round}
          id={`visit-${visit.round}`}
          class={`part${visit.round === chosen ? " chosen" : ""}`}
          aria-label={`Round ${visit.round}`}
        >
          <div class="margin">
            <h2>Round {visit.round}</h2>
            <div class="quiet">{count(visit.steps.length, "step")}</div>
          </div>
          <ol class="pages-row">
            {visit.steps.map((step) => (
              <VisitCard
                key={step.step}
                name={`Step ${step.step}`}
                step={step}
                link={link(visit.round, step.step)}
              />
            ))}
          </ol>
        </section>
      ))}
    </>
  );
}

/** Nothing is on record of her in this arm. */
function NoVisits({ person, run }: { person: Person; run: RunRow }) {
  const others = run.arms.length > 1 || run.seeds.length > 1;
  return (
    <Empty command={showCommand(run, { user: person.user })}>
      She has no visit in {visible(person.arm)}, seed {person.seed}.
      {others && " Choose another arm or seed above."} On the command line:
    </Empty>
  );
}

function markdown(person: Person): string {
  const rows = person.visits.flatMap((visit) =>
    visit.steps.map((step) => [
      visit.round,
      step.step,
      step.slate
        .filter((item) => step.chosen.includes(item.id))
        .map((item) => item.title)
        .join(", "),
      step.slow ? "slow" : "fast",
      step.reason,
      rewardWords(step),
      step.ending,
    ]),
  );
  return mdPage(
    person.user,
    Object.entries(person.profile)
      .map(([name, value]) => `${name}: ${value}`)
      .join(", "),
    mdTable(["round", "step", "chosen", "thinking", "reason", "reward", "ending"], rows),
  );
}
