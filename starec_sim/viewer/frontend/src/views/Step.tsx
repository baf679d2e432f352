import { stepHref, stepPath, useData } from "../api";
import type { ViewProps } from "../App";
import { useKeys } from "../keys";
import { Traits } from "../parts/Chips";
import { DiffLines } from "../parts/DiffLines";
import { Await, PageHead, Part } from "../parts/Page";
import { RewardBar } from "../parts/Reward";
import { Slate } from "../parts/Slate";
import { Stars } from "../parts/Stars";
import { LongText } from "../parts/Text";
import { trialOf } from "../parts/Trial";
import { TurnCard } from "../parts/TurnCard";
import { go, href } from "../router";
import { python, whyCommand } from "../snippets";
import { count, number, visible } from "../text";
import type { Address, RunRow, StepPage, Turn } from "../types";
import { MarkForm } from "./Notes";
import { stepMarkdown } from "./step_markdown";

/** Why did she do that? */
export function StepView({ run, route }: ViewProps) {
  const [, , , user = "", round, step] = route.path;
  const at = { ...trialOf(run, route), user, round: Number(round), step: Number(step ?? 1) };
  const loaded = useData<StepPage>(stepPath(run.name, at));
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
  const second = page.turns.filter((turn) => turn.node === "slow");
  return (
    <article class="story">
      <PageHead
        title={`${at.user}, round ${at.round}, step ${at.step}`}
        copy={{
          json: page,
          markdown: () => stepMarkdown(run.name, page),
          command: whyCommand(run.name, at),
          python: python(run.folder ?? `runs/${run.name}`, "steps", { ...at }),
        }}
      >
        <Moves page={page} run={run} visits={visits} />
      </PageHead>
      <Part name="Who"><Traits profile={page.profile} /></Part>
      <Part name="Remembered" note={`After ${count(page.memory_before.steps, "step")}.`}>
        <Memory page={page} />
      </Part>
      <Part name="Was shown" note={page.task === "feed" ? `Page ${page.page} of a feed.` : "A list to be ranked."}>
        <Slate places={page.slate} />
      </Part>
      <Part name="Thought" note={answered && visible(answered.policy)}><Thought turn={answered} /></Part>
      <Part name="Did"><Did page={page} /></Part>
      <Part name="Came of it"><Outcome page={page} run={run} /></Part>
      <Part name="Second thought" note={page.slow ? "The slow node was asked." : "The slow node was not asked."}>
        <p>The gate says: <strong>{visible(page.reason) || "nothing"}</strong></p>
        {second.map((turn, index) => turn.reasoning && <LongText key={index} text={turn.reasoning} />)}
      </Part>
      <Part name="Remembers now" note="Her summary, before and after.">
        {page.changes.length ? <DiffLines changes={page.changes} /> : <p>She has no summary yet.</p>}
      </Part>
      <Part name="Calls" note={`${count(page.turns.length, "call")}, with prompts.`}>
        {page.turns.map((turn, index) => <TurnCard key={`${index}/${at.round}/${at.step}`} turn={turn} open={false} />)}
        {!page.turns.length && <p>No policy was asked.</p>}
      </Part>
      <Part name="Note"><MarkForm run={run} at={at} /></Part>
    </article>
  );
}

function Moves({ page, run, visits }: { page: StepPage; run: RunRow; visits: string }) {
  const { arm, seed, user, round, step } = page.at;
  const link = (to: Address | null, name: string, key: string) =>
    to ? <a href={stepHref(run.name, to)}>{name} <kbd>{key}</kbd></a> : <span class="quiet">{name}: none</span>;
  return (
    <div class="moves">
      <span>{visible(arm)}, seed {seed}</span>
      {link(page.previous, "previous", "p")}
      {link(page.next, "next", "n")}
      <a href={visits}>her visits <kbd>u</kbd></a>
      <a href={href(["run", run.name, "ask", user, round, step], { arm, seed })}>ask again</a>
    </div>
  );
}

function Memory({ page }: { page: StepPage }) {
  const { summary, shown, complete } = page.memory_before;
  return (
    <>
      {summary ? <LongText text={summary} class="columns" /> : <p class="quiet">No summary yet.</p>}
      {shown.length > 0 && (
        <details>
          <summary>{count(shown.length, "experience")} in the prompt</summary>
          <ul class="plain">{shown.map((line, index) => <li key={index}>{visible(line)}</li>)}</ul>
        </details>
      )}
      {complete === false && <p class="quiet">What she experienced before the run is not on record.</p>}
      {page.recalled && (
        <>
          <h3>Recalled</h3>
          {page.recalled.length === 0 && <p class="quiet">Nothing fits this slate.</p>}
          <ul class="plain">
            {page.recalled.map(({ item, score }) => (
              <li key={item.id}>{visible(item.title)} <span class="quiet">{number(score)}</span></li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Thought({ turn }: { turn: Turn | undefined }) {
  if (!turn) return <p class="quiet">No policy was asked.</p>;
  return turn.reasoning ? <LongText text={turn.reasoning} /> : <p class="quiet">The answer has no reasoning.</p>;
}

function Did({ page }: { page: StepPage }) {
  const flaws = Object.entries(page.flaws).map(([name, n]) => `${name} ${n}`).join(", ");
  const watched = page.slate.filter((place) => place.watched);
  const ranked = page.slate.filter((place) => place.rank !== null).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  return (
    <>
      {page.task === "feed" ? (
        <p>
          Watched {watched.length} of {page.slate.length}
          {watched.length > 0 && <>: {visible(watched.map((place) => place.item.title).join(", "))}</>}.{" "}
          {page.leave ? "Then she left." : "Then she stayed."}
        </p>
      ) : (
        <p>
          Ranked {ranked.length} of {page.slate.length}
          {ranked.length > 0 && <>, first: {visible(ranked.slice(0, 3).map((place) => place.item.title).join(" > "))}</>}.
        </p>
      )}
      {page.repaired && <p>The first answer could not be read; the second could.</p>}
      {flaws && <p class="warn">Flaws of the answer: {visible(flaws)}</p>}
    </>
  );
}

function Outcome({ page, run }: { page: StepPage; run: RunRow }) {
  return (
    <div class="beside">
      <div>
        {page.experiences.length > 0 ? (
          <ul class="plain">
            {page.experiences.map((each, index) => (
              <li key={index}>
                <Stars value={each.rating} kind="true" /> {visible(each.item.title)}
                {each.source !== "world" && <span class="quiet"> {visible(each.source)}</span>}
              </li>
            ))}
          </ul>
        ) : <p>Nothing was revealed.</p>}
        <p class="quiet">{page.ending ? `The visit ends: ${visible(page.ending)}` : "The visit goes on."}</p>
      </div>
      <div>
        <RewardBar reward={page.reward} weights={page.reward_weights} />
        {page.group && (
          <p><a href={href(["run", run.name, "group"], { ...page.group })}>The group that was learned from</a></p>
        )}
      </div>
    </div>
  );
}
