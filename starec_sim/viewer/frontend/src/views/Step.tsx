import type { ViewProps } from "../App";
import { stepHref, stepPath, useData } from "../api";
import { isBundle } from "../bundle";
import { useKeys } from "../keys";
import { Chips, Traits } from "../parts/Chips";
import { DiffLines } from "../parts/DiffLines";
import { ErrorPage } from "../parts/ErrorPage";
import { Await, PageHead, Part } from "../parts/Page";
import { Slate } from "../parts/Slate";
import { LongText } from "../parts/Text";
import { NO_STEP, stepOf } from "../parts/Trial";
import { TurnCard } from "../parts/TurnCard";
import { go, href } from "../router";
import { leavingOut, python, whyCommand } from "../snippets";
import { brief, count, visible } from "../text";
import type { Address, RunRow, StepPage } from "../types";
import { MarkForm, StepNotes } from "./Notes";
import { stepMarkdown } from "./step_markdown";
import { Did, Memory, Outcome, SLATE_SET, Thought } from "./step_parts";

/** Why did she do that? */
export function StepView({ run, route }: ViewProps) {
  const at = stepOf(run, route);
  const loaded = useData<StepPage>(at && stepPath(run.name, at));
  if (!at) return <ErrorPage failure={NO_STEP} />;
  return <Await of={loaded}>{(page) => <Page page={page} run={run} />}</Await>;
}

function Page({ page, run }: { page: StepPage; run: RunRow }) {
  const { at } = page;
  const address = (to: Address | null) => (to ? stepHref(run.name, to) : "");
  const visits = href(["run", run.name, "person", at.user], { arm: at.arm, seed: at.seed, round: at.round });
  useKeys([
    { keys: "n", does: "next step", run: () => page.next && go(address(page.next)) },
    { keys: "p", does: "previous step", run: () => page.previous && go(address(page.previous)) },
    { keys: "u", does: "her visits", run: () => go(visits) },
  ]);
  const answered = page.turns.filter((turn) => turn.node === "fast").at(-1) ?? page.turns[0];
  const recorded = page.turns.every((turn) => turn.recorded);
  const second = page.turns.filter((turn) => turn.node === "slow");
  return (
    <article class="story">
      <PageHead
        title={`${at.user}, round ${at.round}, step ${at.step}`}
        copy={{
          json: page,
          markdown: () => stepMarkdown(run.name, page),
          command: leavingOut(
            whyCommand(run, at),
            recorded && page.turns.length > 0 && "prompts in full: add --prompts",
            "notes of readers",
          ),
          python: python(run, "steps", { ...at }, "prompts and answers are in run.turns()"),
        }}
      >
        <Moves page={page} run={run} visits={visits} />
      </PageHead>
      <Part
        name="Did"
        note={
          page.task === "ranking" ? "A list to be ranked." : `Task ${visible(page.task)}, page ${page.page}.`
        }
      >
        <Did page={page} />
      </Part>
      <Part name="Who">
        {Object.keys(page.profile).length > 0 ? (
          <Traits profile={page.profile} />
        ) : (
          <p class="quiet">The data has no traits of her.</p>
        )}
      </Part>
      <Part name="Remembered" note={`After ${count(page.memory_before.steps, "step")}.`}>
        <Memory page={page} />
      </Part>
      <Part name="Was shown">
        <Chips />
        <Slate places={page.slate} />
        {page.slate_set && <p class="quiet">{SLATE_SET}</p>}
      </Part>
      <Part name="Thought" note={answered && brief(answered.policy)}>
        <Thought turn={answered} />
      </Part>
      <Part name="Came of it">
        <Outcome page={page} run={run} />
      </Part>
      <Part
        name="Second thought"
        note={page.slow ? "She thought again: the slow node was asked." : "She went on."}
      >
        <p>
          The gate says: <strong>{brief(page.reason) || "nothing"}</strong>
        </p>
        {second.map((turn, index) => turn.reasoning && <LongText key={index} text={turn.reasoning} />)}
      </Part>
      <Part name="Remembers now" note="Her summary, before and after.">
        {page.changes.length ? <DiffLines changes={page.changes} /> : <p>She has no summary yet.</p>}
      </Part>
      <Part
        name="Calls"
        note={`${count(page.turns.length, "call")}, ${recorded ? "with prompts" : "prompts are not on record"}.`}
      >
        {page.turns.map((turn, index) => (
          <TurnCard key={`${index}/${at.round}/${at.step}`} turn={turn} open={false} />
        ))}
        {!page.turns.length && <p>No policy was asked.</p>}
      </Part>
      <Part name="Note">
        <StepNotes run={run} at={at} />
        <MarkForm run={run} at={at} />
      </Part>
    </article>
  );
}

function Moves({ page, run, visits }: { page: StepPage; run: RunRow; visits: string }) {
  const { arm, seed, user, round, step } = page.at;
  const link = (to: Address | null, name: string, key: string) =>
    to ? (
      <a href={stepHref(run.name, to)}>
        {name} <kbd>{key}</kbd>
      </a>
    ) : (
      <span class="quiet">{name}: none</span>
    );
  return (
    <div class="moves">
      <span>
        {visible(arm)}, seed {seed}
      </span>
      {link(page.previous, "previous", "p")}
      {link(page.next, "next", "n")}
      <a href={visits}>
        her visits <kbd>u</kbd>
      </a>
      {!isBundle && <a href={href(["run", run.name, "ask", user, round, step], { arm, seed })}>ask again</a>}
    </div>
  );
}
