import type { ViewProps } from "../App";
import { api, useData, type Loaded } from "../api";
import { isBundle } from "../bundle";
import { Chart } from "../parts/Chart";
import { Chips } from "../parts/Chips";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { Table } from "../parts/Table";
import { Choice } from "../parts/Trial";
import { go, href, withParams, type Route } from "../router";
import { leavingOut, python, resumeCommand, showCommand } from "../snippets";
import { count } from "../text";
import type { AnswerChanges, RunRow, Training, TrainingStep } from "../types";
import { trainingMarkdown } from "./training_markdown";
import { answerColumns, CHANGES, changedMetrics, groupColumns } from "./training_tables";
import { useMemo } from "preact/hooks";

/** What did the policy learn, step by step? */
export function TrainingView({ run, route }: ViewProps) {
  const step = route.params.get("step");
  const loaded = useData<Training>(api(run.name, "training", { step }));
  const answers = useAnswers(run, route);
  return (
    <Await of={loaded}>
      {(view) => {
        const learned = view.steps.filter((each) => each.reward);
        return (
          <>
            <PageHead
              title="Training"
              copy={{
                json: view,
                markdown: () => trainingMarkdown(run, view, answers),
                command: leavingOut(
                  showCommand(run),
                  "curves",
                  "groups",
                  "answers before and after but those of one user",
                ),
                python: python(run, "rollouts", {}, "metrics of each step are in steps.jsonl of the folder"),
              }}
            >
              {count(learned.length, "step")}, {count(view.versions.length, "version")} of the weights
            </PageHead>
            <Chips />
            <Metrics view={view} />
            {learned.length ? (
              <Curves steps={view.steps} />
            ) : (
              <Empty command={resumeCommand(run)}>No step is finished yet.</Empty>
            )}
            <Part
              name="Groups"
              note="Answers to one question, compared with each other. An equal group teaches nothing."
            >
              <div class="tools">
                <Choice
                  label="step"
                  value={String(view.step ?? "")}
                  options={learned.map((each) => String(each.step))}
                  choose={(value) => go(withParams(route, { step: value }))}
                />
              </div>
              <Table
                id="groups"
                caption={`Groups of step ${view.step ?? "–"}`}
                hideCaption
                columns={groupColumns(run.name, view.step)}
                rows={view.groups}
                rowKey={(group) => group.group}
              />
            </Part>
            <Answers run={run} route={route} loaded={answers} />
          </>
        );
      }}
    </Await>
  );
}

/** What the training changed for people that it never trained on. */
function Metrics({ view }: { view: Training }) {
  const rows = changedMetrics(view.changes);
  if (!rows.length) return null;
  return (
    <Part
      name="Before and after"
      note="Means over people who were never trained on, and the paired change with its 95 % interval."
    >
      <Table
        id="changes"
        caption="Metrics before and after"
        hideCaption
        columns={CHANGES}
        rows={rows}
        rowKey={(each) => each.metric}
      />
    </Part>
  );
}

function useAnswers(run: RunRow, route: Route): Loaded<AnswerChanges | null> {
  const wheres = route.params.getAll("where");
  const user = wheres.find((each) => each.startsWith("user:"))?.slice("user:".length);
  const params = { before: route.params.get("before"), after: route.params.get("after"), user };
  return useData<AnswerChanges | null>(api(run.name, "changes", isBundle ? {} : params));
}

interface AnswersProps {
  run: RunRow;
  route: Route;
  loaded: Loaded<AnswerChanges | null>;
}

/** The same person and the same question at two versions. */
function Answers({ run, route, loaded }: AnswersProps) {
  const choose = (name: string) => (value: string) => go(withParams(route, { [name]: value }));
  return (
    <Part
      name="Answers before and after"
      note="The same person and question at two versions of the weights. What changed most comes first."
      wide
    >
      <Await of={loaded}>
        {(found) =>
          found ? (
            <>
              <div class="tools">
                {(["before", "after"] as const).map((name) => (
                  <Choice
                    key={name}
                    label={name}
                    value={found[name]}
                    options={found.validations}
                    choose={choose(name)}
                  />
                ))}
                {!isBundle && (
                  <a
                    href={href(["compare"], {
                      a: run.name,
                      b: run.name,
                      arm_a: found.before,
                      arm_b: found.after,
                    })}
                  >
                    Compare both as a whole
                  </a>
                )}
              </div>
              {found.more && (
                <p class="quiet">These are the first people; filter by a user to see any other.</p>
              )}
              {found.other_slates > 0 && (
                <p class="quiet">
                  {count(found.other_slates, "step")} with other items shown cannot be compared.
                </p>
              )}
              <Table
                id="answers"
                caption="Answers before and after"
                hideCaption
                columns={answerColumns(run, found.rows)}
                rows={found.rows}
                rowKey={(each) => `${each.user}/${each.round}/${each.step}`}
                page={20}
              />
            </>
          ) : (
            <p class="quiet">There are no two validations to compare yet.</p>
          )
        }
      </Await>
    </Part>
  );
}

function Curves({ steps }: { steps: TrainingStep[] }) {
  const charts = useMemo(() => {
    const learned = steps.filter((each) => each.reward);
    const validated = steps.filter((each) => each.validation);
    const audited = steps.filter((each) => each.audits);
    const xs = learned.map((each) => each.step);
    const names = (of: "reward" | "components" | "counters") => [
      ...new Set(learned.flatMap((each) => Object.keys(each[of] ?? {}))),
    ];
    const line = (of: "reward" | "components" | "counters", name: string) => ({
      name,
      values: learned.map((each) => each[of]?.[name] ?? null),
    });
    const plain = (name: "kl" | "entropy" | "loss" | "zero_variance", title: string, about = "") => ({
      title,
      about,
      xs,
      series: [{ name: title, values: learned.map((each) => each[name] ?? null) }],
    });
    const fidelity = (audit: string, metric: string) => {
      const points = audited.map((each) => each.audits?.[audit]?.[metric]);
      return {
        title: `${audit}: ${metric}`,
        about: "audit of new users, 95 % interval",
        xs: audited.map((each) => each.step),
        series: [
          {
            name: metric,
            values: points.map((each) => each?.mean ?? null),
            low: points.map((each) => each?.low ?? null),
            high: points.map((each) => each?.high ?? null),
          },
        ],
      };
    };
    const audits = [...new Set(audited.flatMap((each) => Object.keys(each.audits ?? {})))];
    return [
      ...names("reward").map((name) => ({
        title: `reward of ${name}`,
        about: "weighted sum",
        xs,
        series: [line("reward", name)],
      })),
      ...names("components").map((name) => ({
        title: name,
        about: "component",
        xs,
        series: [line("components", name)],
      })),
      ...["reward", "ndcg@10"]
        .filter((name) => validated.some((each) => each.validation?.[name]))
        .map((name) => ({
          title: `validation: ${name}`,
          about: "new users, 95 % interval",
          xs: validated.map((each) => each.step),
          series: [
            {
              name,
              values: validated.map((each) => each.validation?.[name]?.mean ?? null),
              low: validated.map((each) => each.validation?.[name]?.low ?? null),
              high: validated.map((each) => each.validation?.[name]?.high ?? null),
            },
          ],
        })),
      ...audits.flatMap((audit) =>
        [...new Set(audited.flatMap((each) => Object.keys(each.audits?.[audit] ?? {})))].map((metric) =>
          fidelity(audit, metric),
        ),
      ),
      plain("kl", "KL", "from the reference, nats"),
      plain("entropy", "entropy", "of the next token, nats"),
      plain("loss", "loss"),
      plain("zero_variance", "equal groups", "share that teaches nothing"),
    ].filter((chart) => chart.series.some((each) => each.values.some((value) => value !== null)));
  }, [steps]);
  return (
    <Part name="Curves" note="By step of the training.">
      <div class="charts">
        {charts.map((chart) => (
          <Chart key={chart.title} {...chart} xName="step" />
        ))}
      </div>
    </Part>
  );
}
