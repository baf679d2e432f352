import { Fragment } from "preact";
import { useMemo } from "preact/hooks";
import { api, useData } from "../api";
import type { ViewProps } from "../App";
import { mdPage, mdTable } from "../markdown";
import { Chart, Legend } from "../parts/Chart";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { TrialChoice, trialOf } from "../parts/Trial";
import { href } from "../router";
import { populationCommand, python, showCommand } from "../snippets";
import { decimal, number, percent, visible } from "../text";
import type { Population } from "../types";

type PeopleLink = (field: string, value: string) => string;
type Trait = Population["traits"][number];

/** What did the loop do to everybody? */
export function PopulationView({ run, route }: ViewProps) {
  const trial = trialOf(run, route);
  const loaded = useData<Population>(api(run.name, "population", trial));
  const people = (trait: string, value: string) =>
    href(["run", run.name, "people"], { ...trial, where: [`${trait}:${value}`] });
  return (
    <Await of={loaded}>
      {(view) => (
        <>
          <PageHead
            title="Population"
            copy={{
              json: view,
              markdown: () =>
                mdPage(`Population of ${run.name}`, ...view.traits.map(traitMarkdown), ...overTime(view)),
              command: populationCommand(
                run,
                trial,
                view.traits.map((each) => each.trait),
              ),
              python: python(run, "steps", { ...trial }, "the page has means of these by trait: run.users()"),
            }}
          >
            Of {visible(trial.arm)}, seed {trial.seed}. Choose a value to see these people.
          </PageHead>
          <div class="tools">
            <TrialChoice run={run} route={route} />
          </div>
          <Part
            name="Traits"
            note="Mean outcomes; the stronger the colour, the higher among all cells of that outcome."
          >
            {view.traits.length === 0 && (
              <Empty command={showCommand(run)}>These people have no traits on record.</Empty>
            )}
            <div class="wrap">
              {view.traits.map((trait) => (
                <TraitTable key={trait.trait} trait={trait} all={view.traits} people={people} />
              ))}
            </div>
          </Part>
          <Curves
            view={view}
            people={people}
            arm={trial.arm}
            exposed={run.seeds.length > 1 ? "the last round of the first seed" : "the last round"}
          />
        </>
      )}
    </Await>
  );
}

function TraitTable({ trait, all, people }: { trait: Trait; all: Trait[]; people: PeopleLink }) {
  const metrics = metricsOf(trait);
  return (
    <table class="heat">
      <caption>{visible(trait.trait)}</caption>
      <thead>
        <tr>
          <th scope="col">{visible(trait.trait)}</th>
          <th scope="col" class="number">
            users
          </th>
          {metrics.map((metric) => (
            <th scope="col" class="number" key={metric}>
              {OUTCOMES[metric]?.[0] ?? visible(metric)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {trait.values.map((row) => (
          <tr key={row.value}>
            <th scope="row">
              <a href={people(trait.trait, row.value)}>{visible(row.value)}</a>
            </th>
            <td class="number">{number(row.users)}</td>
            {metrics.map((metric) => (
              <td key={metric} class={`number heat-${heat(all, metric, row.outcomes[metric])}`}>
                <a href={people(trait.trait, row.value)} tabIndex={-1}>
                  {outcome(metric, row.outcomes[metric])}
                </a>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How outcomes are called and written. */
const OUTCOMES: Record<string, [name: string, write: (value: number | null | undefined) => string]> = {
  visits: ["visits", (value) => decimal(value, 1)],
  chosen: ["chosen a visit", (value) => decimal(value, 1)],
  mean_rating: ["mean stars", (value) => decimal(value, 2)],
  slow_share: ["slow", percent],
  left: ["ever left early", percent],
};

const outcome = (metric: string, value: number | null | undefined) =>
  (OUTCOMES[metric]?.[1] ?? decimal)(value);

const metricsOf = (trait: Trait) => [...new Set(trait.values.flatMap((row) => Object.keys(row.outcomes)))];

/** From 0, the lowest of all groups, to 4, the highest. */
function heat(all: Trait[], metric: string, value: number | null | undefined): number {
  const known = all.flatMap((trait) => trait.values.flatMap((row) => row.outcomes[metric] ?? []));
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  return value === null || value === undefined || !span ? 0 : Math.round(((value - low) / span) * 4);
}

interface CurvesProps {
  view: Population;
  people: PeopleLink;
  /** Of which left early are shown. */
  arm: string;
  /** What exposure is counted over, in words. */
  exposed: string;
}

function Curves({ view, people, arm, exposed }: CurvesProps) {
  const charts = useMemo(() => {
    const percent = Array.from({ length: 101 }, (_, index) => index);
    const rounds = Math.max(0, ...view.drift.map((each) => each.rounds.length));
    return {
      lorenz: {
        title: "Exposure",
        about: "share of impressions by % of items",
        xs: percent,
        series: [
          ...view.lorenz.map((each) => ({ name: each.arm, values: each.shares })),
          { name: "equal", values: percent.map((each) => each / 100) },
        ],
      },
      drift: {
        title: "Drift of tastes",
        about: "from first likes, bits",
        xs: Array.from({ length: rounds }, (_, index) => index + 1),
        series: view.drift.map((each) => ({ name: each.arm, values: each.rounds })),
      },
      left: {
        title: "Left early",
        about: `visits of ${visible(arm)}`,
        xs: view.left.map((each) => each.round),
        series: [
          {
            name: "left",
            values: view.left.map((each) => each.visits),
            place: Math.max(
              0,
              view.lorenz.findIndex((each) => each.arm === arm),
            ),
          },
        ],
      },
    };
  }, [view, arm]);
  const gini = view.lorenz.map((each) => `${visible(each.arm)} ${number(each.gini)}`).join(", ");
  return (
    <Part
      name="Over time"
      note={
        <>
          {gini && (
            <p>
              Exposure is that of {exposed}, least shown items first. Its Gini: {gini}.
            </p>
          )}
          <p>Left early: visits that ended because she left.</p>
          <Legend names={[...view.lorenz.map((each) => each.arm), "equal exposure"]} />
        </>
      }
    >
      <div class="charts">
        {view.lorenz.length > 0 && <Chart {...charts.lorenz} xName="items, %" height={220} />}
        {view.drift.length > 0 && <Chart {...charts.drift} xName="round" height={220} />}
        {view.left.some((each) => each.visits) && <Chart {...charts.left} xName="round" height={220} />}
      </div>
      {view.left.some((each) => each.visits) ? (
        <p>
          Users by the last round in which they left early:
          {view.left.map(
            ({ round, last }) =>
              last > 0 && (
                <Fragment key={round}>
                  {" "}
                  <span class="whole">
                    <a href={people("left_round", String(round))}>round {round}</a> ({number(last)})
                  </span>
                </Fragment>
              ),
          )}
        </p>
      ) : (
        view.left.length > 0 && <p>Nobody left early.</p>
      )}
    </Part>
  );
}

/** What the charts show. Of exposure, the Gini of each arm. */
function overTime({ lorenz, drift, left }: Population): string[] {
  const gini = lorenz.map((each) => [each.arm, number(each.gini)]);
  const drifted = Math.max(0, ...drift.map((each) => each.rounds.length));
  const rounds = Array.from({ length: drifted }, (_, index) => index);
  return [
    ...(gini.length
      ? ["## Exposure", mdTable(["arm", "Gini"], gini), "Left out: the curve of exposure; JSON has it."]
      : []),
    ...(drifted
      ? [
          "## Drift of tastes",
          mdTable(
            ["round", ...drift.map((each) => each.arm)],
            rounds.map((round) => [round + 1, ...drift.map((each) => number(each.rounds[round]))]),
          ),
        ]
      : []),
    ...(left.length
      ? [
          "## Left early",
          mdTable(
            ["round", "visits", "users who left last then"],
            left.map((each) => [each.round, each.visits, each.last]),
          ),
        ]
      : []),
  ];
}

function traitMarkdown(trait: Trait): string {
  const metrics = metricsOf(trait);
  return mdTable(
    [trait.trait, "users", ...metrics.map((metric) => OUTCOMES[metric]?.[0] ?? metric)],
    trait.values.map((row) => [
      row.value,
      row.users,
      ...metrics.map((metric) => outcome(metric, row.outcomes[metric])),
    ]),
  );
}
