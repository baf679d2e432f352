import type { ViewProps } from "../App";
import { api, grow, post, stepHref, stepPath, useData } from "../api";
import { isBundle, VIEW_COMMAND } from "../bundle";
import { asFailure } from "../failure";
import { ErrorPage } from "../parts/ErrorPage";
import { missingText } from "../parts/NotRecorded";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { Choice, NO_STEP, stepOf } from "../parts/Trial";
import { leavingOut, python, whyCommand } from "../snippets";
import { count, visible } from "../text";
import type { AskAnswer, AskOptions, Failure, Message, RunRow, StepPage, Turn } from "../types";
import { useAuthor } from "./Notes";
import { Answers, markdown } from "./ask_answers";
import { useState } from "preact/hooks";

/** What would she have done with another prompt, policy or temperature? */
export function AskView({ run, route }: ViewProps) {
  const at = stepOf(run, route);
  const options = useData<AskOptions>(isBundle ? null : api(run.name, "ask"));
  const loaded = useData<StepPage>(at && stepPath(run.name, at));
  if (!at) return <ErrorPage failure={NO_STEP} />;
  if (isBundle) return <Empty command={VIEW_COMMAND}>A saved page cannot ask. Open the run:</Empty>;
  return (
    <Await of={options}>
      {(known) => (
        <Await of={loaded}>
          {(page) => {
            const turn = page.turns.find((each) => each.node === "fast") ?? page.turns[0];
            if (!turn) return <Empty command={whyCommand(run, at)}>No policy was asked in this step.</Empty>;
            if (!turn.recorded) return <ErrorPage failure={notRecorded(run.name, turn)} />;
            return <Form key={`${at.round}/${at.step}`} run={run} page={page} turn={turn} options={known} />;
          }}
        </Await>
      )}
    </Await>
  );
}

const notRecorded = (run: string, turn: Turn): Failure => ({
  error: `${run}: ${missingText(turn)}; it keeps no prompts and answers.`,
  hint: "`starec show RUN` shows what it keeps; to ask again, run it again with --set record=everything",
});

function Form({
  run,
  page,
  turn,
  options,
}: {
  run: RunRow;
  page: StepPage;
  turn: Turn;
  options: AskOptions;
}) {
  const [messages, setMessages] = useState<Message[]>(turn.messages);
  const [policy, setPolicy] = useState(
    options.policies.includes(turn.policy) ? turn.policy : (options.policies[0] ?? ""),
  );
  const [temperature, setTemperature] = useState("");
  const [samples, setSamples] = useState(Math.min(5, options.max_samples));
  const [author, setAuthor] = useAuthor();
  const [state, setState] = useState<"" | "asking" | Failure | AskAnswer>("");
  const asking = state === "asking";
  const answer = typeof state === "object" && "answers" in state ? state : null;
  const ask = async () => {
    setState("asking");
    try {
      setState(
        await post<AskAnswer>(api(run.name, "ask"), {
          at: page.at,
          node: turn.node,
          attempt: turn.attempt,
          messages,
          policy,
          samples,
          author,
          temperature: temperature === "" ? null : Number(temperature),
        }),
      );
      grow();
    } catch (error) {
      setState(asFailure(error));
    }
  };
  const edit = (index: number, text: string) =>
    setMessages(messages.map(([role, content], place) => [role, place === index ? text : content]));
  const { user, round, step } = page.at;
  return (
    <>
      <PageHead
        title={`Ask ${user} again, round ${round}, step ${step}`}
        copy={{
          json: { messages, policy, temperature, samples, answer },
          markdown: () => markdown(page, messages, answer),
          command: leavingOut(whyCommand(run, page.at), "the changed question", "its answers"),
          python: python(run, "turns", { ...page.at }),
        }}
      >
        <a href={stepHref(run.name, page.at)}>The step as it was.</a> The answers are saved as a note beside
        the run; its record stays as it is.
      </PageHead>
      <Part name="Ask" note="The question below, with or without changes.">
        <div class="form">
          <Choice label="policy" value={policy} options={options.policies} choose={setPolicy} />
          <label>
            temperature{" "}
            <input
              type="number"
              min="0"
              max="2"
              step="0.1"
              placeholder="as set"
              value={temperature}
              onInput={(event) => setTemperature(event.currentTarget.value)}
            />
          </label>
          <label>
            answers{" "}
            <input
              type="number"
              min="1"
              max={options.max_samples}
              value={samples}
              onInput={(event) => setSamples(Number(event.currentTarget.value))}
            />
          </label>
          <label>
            author{" "}
            <input value={author} maxLength={80} onInput={(event) => setAuthor(event.currentTarget.value)} />
          </label>
          <button onClick={ask} disabled={asking || !author.trim()}>
            {asking ? "Asking …" : `Ask ${count(samples, "time")}`}
          </button>
        </div>
        {!author.trim() && <p class="quiet">Name an author: the answers become a note.</p>}
        {options.hint && <p class="quiet">Policies: {options.hint}.</p>}
      </Part>
      <Part name="Answers">
        <Answers state={state} turn={turn} />
      </Part>
      <Part name="Question" note="Change what you like.">
        {messages.map(([role, content], index) => (
          <label key={index} class="area">
            {visible(role)} {content !== turn.messages[index]?.[1] && <span class="tag">changed</span>}
            <textarea
              rows={Math.min(18, content.split("\n").length + 1)}
              value={content}
              spellcheck={false}
              onInput={(event) => edit(index, event.currentTarget.value)}
            />
          </label>
        ))}
      </Part>
    </>
  );
}
