import type { ViewProps } from "../App";
import { api, useData } from "../api";
import { mdPage } from "../markdown";
import { Chart } from "../parts/Chart";
import { Chips } from "../parts/Chips";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { Table } from "../parts/Table";
import { Choice } from "../parts/Trial";
import { go, href, withParams } from "../router";
import { python, showCommand } from "../snippets";
import { count, visible } from "../text";
import type { RunRow, Training, TrainingStep } from "../types";
import { answerColumns, CHANGES, groupColumns, stepsMarkdown } from "./training_tables";
import { useMemo } from "preact/hooks";

/** What did the policy learn, step by step? */
export function TrainingView({ run, route }: ViewProps) {
  const step = route.params.get("step");
  const loaded = useData<Training>(api(run.name, "training", { step }));
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
                markdown: () => mdPage(`Training ${run.name}`, stepsMarkdown(learned)),
                command: showCommand(run.name),
                python: python(run.folder ?? `runs/${run.name}`, "rollouts"),
              }}
            >
              {count(learned.length, "step")}, {count(view.versions.length, "version")} of the weights
            </PageHead>
            <Chips />
            {learned.length ? (
              <Curves steps={view.steps} />
            ) : (
              <Empty command={`starec resume ${run.name}`}>No step is finished yet.</Empty>
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
                columns={groupColumns(run.name, view.step, view.groups)}
                rows={view.groups}
                rowKey={(group) => group.group}
              />
            </Part>
            <BeforeAndAfter view={view} run={run} />
          </>
        );
      }}
    </Await>
  );
}

/** What the training changed for people that it never trained on. */
function BeforeAndAfter({ view, run }: { view: Training; run: RunRow }) {
  const [first, last] = [view.validations[0], view.validations.at(-1)];
  if (!first || first === last)
    return (
      <Part name="Before and after">
        <p class="quiet">There is one validation so far, and nothing to compare it with.</p>
      </Part>
    );
  const compare = href(["compare"], { a: run.name, b: run.name, arm_a: first, arm_b: last });
  return (
    <Part name="Before and after" note="The same people and questions at two versions.">
      <Table
        id="changes"
        caption="Metrics before and after"
        hideCaption
        columns={CHANGES}
        rows={view.changes}
        rowKey={(each) => each.metric}
      />
      <p>
        <a href={compare}>
          Compare {visible(first)} with {visible(last ?? "")}, person by person
        </a>
      </p>
      {view.answers && (
        <Table
          id="answers"
          caption="Answers before and after"
          columns={answerColumns(run)}
          rows={view.answers}
          rowKey={(each) => `${each.user}/${each.round}/${each.step}`}
        />
      )}
    </Part>
  );
}

function Curves({ steps }: { steps: TrainingStep[] }) {
  const charts = useMemo(() => {
    const learned = steps.filter((each) => each.reward);
    const validated = steps.filter((each) => each.validation);
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
    return [
      ...names("reward").map((name) => ({
        title: `reward, ${name}`,
        about: "",
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
      plain("kl", "KL", "from the reference"),
      plain("entropy", "entropy"),
      plain("loss", "loss"),
      plain("zero_variance", "equal groups", "share without a difference"),
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
