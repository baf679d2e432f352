import { useMemo } from "preact/hooks";
import { api, stepHref, useData } from "../api";
import type { ViewProps } from "../App";
import { mdPage, mdTable } from "../markdown";
import { Chart } from "../parts/Chart";
import { Chips } from "../parts/Chips";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { Choice } from "../parts/Trial";
import { go, href, withParams } from "../router";
import { python, showCommand } from "../snippets";
import { count, number, signed, visible } from "../text";
import type { AnswerChange, GroupRow, RunRow, Training, TrainingStep } from "../types";

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
            {learned.length ? <Curves steps={view.steps} /> : (
              <Empty command={`starec resume ${run.name}`}>No step is finished yet.</Empty>
            )}
            <Part name="Groups" note="Answers to one question, compared with each other. An equal group teaches nothing.">
              <div class="tools">
                <Choice label="step" value={String(view.step ?? "")} options={learned.map((each) => String(each.step))}
                  choose={(value) => go(withParams(route, { step: value }))} />
              </div>
              <Table id="groups" caption={`Groups of step ${view.step ?? "–"}`} hideCaption
                columns={groupColumns(run.name, view.step)} rows={view.groups} rowKey={(group) => group.group} />
            </Part>
            <Part name="Before and after" note="The same person and question, at two versions.">
              {view.changes.length ? (
                <Table id="changes" caption="Answers before and after" hideCaption columns={changeColumns(run)}
                  rows={view.changes} rowKey={(each) => `${each.user}/${each.round}/${each.step}`} />
              ) : <p class="quiet">No question was asked at two versions.</p>}
            </Part>
          </>
        );
      }}
    </Await>
  );
}

function Curves({ steps }: { steps: TrainingStep[] }) {
  const charts = useMemo(() => {
    const learned = steps.filter((each) => each.reward);
    const validated = steps.filter((each) => each.validation);
    const xs = learned.map((each) => each.step);
    const names = (of: "reward" | "components" | "counters") => [...new Set(learned.flatMap((each) => Object.keys(each[of] ?? {})))];
    const line = (of: "reward" | "components" | "counters", name: string) =>
      ({ name, values: learned.map((each) => each[of]?.[name] ?? null) });
    const plain = (name: "kl" | "entropy" | "loss" | "zero_variance", title: string, about = "") =>
      ({ title, about, xs, series: [{ name: title, values: learned.map((each) => each[name] ?? null) }] });
    return [
      ...names("reward").map((name) => ({ title: `reward, ${name}`, about: "", xs, series: [line("reward", name)] })),
      ...names("components").map((name) => ({ title: name, about: "component", xs, series: [line("components", name)] })),
      ...["reward", "ndcg@10"].filter((name) => validated.some((each) => each.validation?.[name])).map((name) => ({
        title: `validation: ${name}`, about: "new users, 95 % interval", xs: validated.map((each) => each.step),
        series: [{
          name, values: validated.map((each) => each.validation?.[name]?.mean ?? null),
          low: validated.map((each) => each.validation?.[name]?.low ?? null),
          high: validated.map((each) => each.validation?.[name]?.high ?? null),
        }],
      })),
      plain("kl", "KL", "from the reference"),
      plain("entropy", "entropy"),
      plain("loss", "loss"),
      plain("zero_variance", "equal groups", "share without a difference"),
    ].filter((chart) => chart.series.some((each) => each.values.some((value) => value !== null)));
  }, [steps]);
  return (
    <Part name="Curves" note="By step of the training.">
      <div class="charts">{charts.map((chart) => <Chart key={chart.title} {...chart} xName="step" />)}</div>
    </Part>
  );
}

function groupColumns(run: string, step: number | null): Column<GroupRow>[] {
  return [
    {
      name: "group", head: "group", value: (row) => row.group,
      cell: (row) => <a href={href(["run", run, "group"], { step, group: row.group })}>{visible(row.group)}</a>,
    },
    {
      name: "question", head: "question", value: (row) => row.at?.user,
      cell: (row) => row.at && <a href={stepHref(run, row.at)}>{visible(row.at.user)}, round {row.at.round}, step {row.at.step}</a>,
    },
    { name: "node", head: "node", value: (row) => row.node, filters: true },
    { name: "size", head: "answers", value: (row) => row.size },
    { name: "mean", head: "mean reward", value: (row) => row.mean },
    { name: "std", head: "deviation", value: (row) => row.std },
    {
      name: "zero_variance", head: "teaches", value: (row) => (row.zero_variance ? "nothing: all equal" : "yes"), filters: true,
      cell: (row) => (row.zero_variance ? <span class="warn">nothing: all equal</span> : "yes"),
    },
    { name: "rewards", head: "rewards", plain: true, value: (row) => row.rewards.map((each) => number(each, 2)).join("  ") },
  ];
}

function changeColumns(run: RunRow): Column<AnswerChange>[] {
  const side = (name: "before" | "after"): Column<AnswerChange>[] => [
    {
      name, head: name, value: (row) => row[name].answer,
      cell: (row) => <a href={stepHref(run.name, row[name].at)} title={visible(row[name].version)}>{visible(row[name].answer)}</a>,
    },
    { name: `${name}_reward`, head: "reward", value: (row) => row[name].reward },
  ];
  return [
    {
      name: "user", head: "user", value: (row) => row.user, filters: true,
    },
    { name: "round", head: "round", value: (row) => row.round },
    { name: "step", head: "step", value: (row) => row.step },
    ...side("before"),
    ...side("after"),
    { name: "answer", head: "answer", value: (row) => (row.before.answer === row.after.answer ? "same" : "other"), filters: true },
    { name: "difference", head: "difference", value: gain, cell: (row) => signed(gain(row)) },
    {
      name: "compare", head: "both", plain: true, value: () => null,
      cell: (row) => (
        <a href={href(["compare"], {
          a: run.name, b: run.name, arm_a: row.before.at.arm, arm_b: row.after.at.arm,
          user: row.user, round: row.round, step: row.step,
        })}>compare</a>
      ),
    },
  ];
}

/** How much more reward the answer gets after the training. */
function gain({ before, after }: AnswerChange): number | null {
  return before.reward === null || after.reward === null ? null : after.reward - before.reward;
}

function stepsMarkdown(steps: TrainingStep[]): string {
  const names = [...new Set(steps.flatMap((each) => Object.keys(each.components ?? {})))];
  return mdTable(
    ["step", ...names, "KL", "entropy", "loss", "equal groups"],
    steps.map((each) => [
      each.step, ...names.map((name) => number(each.components?.[name])),
      number(each.kl), number(each.entropy), number(each.loss), number(each.zero_variance),
    ]),
  );
}
