import type { Loaded } from "../api";
import { isBundle } from "../bundle";
import { mdTable } from "../markdown";
import { Await, Empty, Part } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { href } from "../router";
import { interviewCommand } from "../snippets";
import { brief, count, decimal, percent, time, visible } from "../text";
import type { AskedQuestion, Interview, RunRow } from "../types";

type Figure = AskedQuestion["figures"][number];
type Said = AskedQuestion["answers"][number];

/** What users of the run said when they were asked. */
export function Interviews({ run, loaded }: { run: RunRow; loaded: Loaded<Interview[]> }) {
  return (
    <Part name="Interviews" note="Questions that users were asked, newest first.">
      <Await of={loaded}>
        {(interviews) => (
          <>
            {interviews.length === 0 && (
              <Empty command={isBundle ? "" : interviewCommand(run, "What do you miss?", "--text", "30")}>
                Nobody has been asked{isBundle ? "." : " yet. Ask on the command line:"}
              </Empty>
            )}
            {interviews.map((each) => (
              <section key={each.file} class="interview" aria-label={each.file}>
                <h3>
                  {count(each.users, "user")} {each.round ? `after round ${each.round}` : "before round 1"}{" "}
                  <span class="quiet">
                    {time(each.created)} · answered by {brief(each.policies.join(", "))} ·{" "}
                    {visible(each.file)}
                  </span>
                </h3>
                {each.stopped && (
                  <p class="warn">
                    Stopped: {brief(each.stopped)}. Questions that were not asked: {each.not_asked}.
                  </p>
                )}
                {each.questions.map((question, index) => (
                  <Question
                    key={index}
                    run={run}
                    question={question}
                    id={`${each.file.replace(/\W+/g, "-")}-${index}`}
                  />
                ))}
              </section>
            ))}
          </>
        )}
      </Await>
    </Part>
  );
}

function Question({ run, question, id }: { run: RunRow; question: AskedQuestion; id: string }) {
  const { ask, figures, answers, left_out } = question;
  return (
    <>
      <p>
        <strong>{brief(ask)}</strong>
      </p>
      {figures.length > 0 && (
        <Table
          id={`figures-${id}`}
          caption={`Figures: ${brief(ask)}`}
          hideCaption
          columns={FIGURES}
          rows={figures}
          rowKey={(row) => `${row.arm} ${row.of}`}
        />
      )}
      <details>
        <summary>{count(answers.length, "answer")}</summary>
        <Table
          id={`answers-${id}`}
          caption={`Answers: ${brief(ask)}`}
          hideCaption
          columns={answerColumns(run)}
          rows={answers}
          rowKey={(_, index) => index}
        />
        {left_out > 0 && <p class="quiet">{count(left_out, "more answer")} in the file.</p>}
      </details>
    </>
  );
}

const written = (row: Figure) => (row.of === "mean" ? decimal : percent);

const FIGURES: Column<Figure>[] = [
  { name: "arm", head: "arm", value: (row) => row.arm, filters: true },
  { name: "of", head: "figure", value: (row) => row.of },
  {
    name: "mean",
    head: "over users",
    about: "A mean, or the share of an answer, with its 95 % interval",
    value: (row) => row.mean,
    cell: (row) => (
      <>
        {written(row)(row.mean)}{" "}
        {row.low !== null && (
          <span class="quiet">
            [{written(row)(row.low)}, {written(row)(row.high)}]
          </span>
        )}
      </>
    ),
  },
  { name: "users", head: "users", value: (row) => row.users },
  { name: "unread", head: "not read", value: (row) => row.unread },
];

function answerColumns(run: RunRow): Column<Said>[] {
  return [
    {
      name: "user",
      head: "user",
      value: (row) => row.user,
      cell: (row) => (
        <a href={href(["run", run.name, "person", row.user], { arm: row.arm, seed: row.seed })}>
          {visible(row.user)}
        </a>
      ),
    },
    { name: "arm", head: "arm", value: (row) => row.arm, filters: true },
    {
      name: "answer",
      head: "answer",
      value: (row) => said(row.value),
      filters: true,
      left: true,
    },
    { name: "problem", head: "problem", value: (row) => row.problem },
  ];
}

function said(value: Said["value"]): string | number | null {
  return typeof value === "boolean" ? (value ? "yes" : "no") : value;
}

/** The figures and answers as Markdown. */
export function interviewsMarkdown(interviews: Interview[]): string[] {
  return interviews.flatMap((each) =>
    each.questions.flatMap((question) => [
      `### ${brief(question.ask)}`,
      question.figures.length
        ? mdTable(
            ["arm", "figure", "over users", "low", "high", "users"],
            question.figures.map((row) => {
              const write = written(row);
              return [row.arm, row.of, write(row.mean), write(row.low), write(row.high), row.users];
            }),
          )
        : mdTable(
            ["user", "arm", "answer"],
            question.answers.map((row) => [row.user, row.arm, said(row.value)]),
          ),
    ]),
  );
}
