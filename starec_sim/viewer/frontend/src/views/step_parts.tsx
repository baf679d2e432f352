import { missingText } from "../parts/NotRecorded";
import { RewardBar } from "../parts/Reward";
import { acts } from "../parts/Slate";
import { Stars } from "../parts/Stars";
import { LongText } from "../parts/Text";
import { href } from "../router";
import { brief, count, number, visible } from "../text";
import type { Experience, RunRow, SlatePlace, StepPage, Turn } from "../types";

/** Said of a summary that no step wrote. */
export const SET_BY_SCHEDULE = "The summary was set by the schedule, at the beginning of a round.";

/** Said of a slate that the recommender did not choose. */
export const SLATE_SET = "The slate was set by the schedule.";

/** What she remembered before the step. */
export function Memory({ page }: { page: StepPage }) {
  const { summary, shown, edited } = page.memory_before;
  const unrecorded = page.turns.find((turn) => !turn.recorded);
  return (
    <>
      {summary ? <LongText text={summary} class="columns" /> : <p class="quiet">No summary yet.</p>}
      {edited && <p class="quiet">{SET_BY_SCHEDULE}</p>}
      {shown.length > 0 && (
        <details>
          <summary>{count(shown.length, "experience")} in the prompt</summary>
          <ul class="plain">
            {shown.map((line, index) => (
              <li key={index}>{visible(line)}</li>
            ))}
          </ul>
        </details>
      )}
      {unrecorded && <p class="quiet">The experiences in the prompt are {missingText(unrecorded)}.</p>}
      {page.recalled && (
        <>
          <h3>Recalled</h3>
          {page.recalled.length === 0 && <p class="quiet">Nothing fits this slate.</p>}
          <ul class="plain">
            {page.recalled.map(({ item, score }) => (
              <li key={item.id}>
                {brief(item.title)} <span class="quiet">{number(score)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

/** Instead of a prompt or an answer, where the run keeps none. */
function NotRecorded({ turn }: { turn: Turn }) {
  return <p class="quiet">It is {missingText(turn)}.</p>;
}

/** The reasoning of her answer. */
export function Thought({ turn }: { turn: Turn | undefined }) {
  if (!turn) return <p class="quiet">No policy was asked.</p>;
  if (!turn.recorded) return <NotRecorded turn={turn} />;
  return turn.reasoning ? (
    <LongText text={turn.reasoning} />
  ) : (
    <p class="quiet">The answer has no reasoning.</p>
  );
}

/** Her decision in one sentence. */
export function didText(page: StepPage): string {
  const { slate } = page;
  const watched = slate.filter((place) => place.watched);
  const ranked = slate.filter((place) => place.rank !== null).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  const titles = (places: SlatePlace[]) => places.map(({ item }) => brief(item.title));
  if (ranked.length === 0 && slate.some((place) => place.watched !== null)) {
    const acted = watched.map(({ item, action }) => `${brief(item.title)} (${visible(action ?? "")})`);
    const named = (acts(slate) ? acted : titles(watched)).join(", ");
    const then = page.leave ? " Then she left." : page.ending ? "" : " Then she stayed.";
    const verb = acts(slate) ? "Did something with" : "Watched";
    return `${verb} ${watched.length} of ${slate.length}${named && `: ${named}`}.${then}`;
  }
  const first = titles(ranked.slice(0, 3)).join(" > ");
  return `Ranked ${ranked.length} of ${slate.length}${first && `, first: ${first}`}.`;
}

/** What was wrong with the answer; empty for a clean one. */
export function flawsText({ flaws }: StepPage): string {
  return Object.entries(flaws)
    .map(([name, n]) => `${name} ${n}`)
    .join(", ");
}

/** Her decision, with what was wrong with the answer. */
export function Did({ page }: { page: StepPage }) {
  return (
    <>
      <p>{didText(page)}</p>
      {page.repaired && <p>The first answer could not be read; the second could.</p>}
      {flawsText(page) && <p class="warn">Flaws of the answer: {visible(flawsText(page))}</p>}
    </>
  );
}

/** Whether the visit goes on. */
export function endingText({ ending }: StepPage): string {
  return ending ? `The visit ends: ${brief(ending)}` : "The visit goes on.";
}

/** How an item turned out, in words. */
export function outcome({ rating, like, action }: Experience): string {
  if (rating !== null) return `${rating} stars`;
  const felt = like === null ? "" : like ? "liked" : "disliked";
  return [visible(action), felt].filter(Boolean).join(", ") || "no stars";
}

/** What the environment revealed, and the reward. */
export function Outcome({ page, run }: { page: StepPage; run: RunRow }) {
  return (
    <div class="beside">
      <div>
        {page.experiences.length > 0 ? (
          <ul class="plain">
            {page.experiences.map((each, index) => (
              <li key={index}>
                {each.rating === null ? (
                  <span class="quiet">{outcome(each)}</span>
                ) : (
                  <Stars value={each.rating} kind="true" />
                )}{" "}
                {brief(each.item.title)}
                {each.source !== "world" && <span class="quiet"> {visible(each.source)}</span>}
              </li>
            ))}
          </ul>
        ) : (
          <p>Nothing was revealed.</p>
        )}
        <p class="quiet">{endingText(page)}</p>
      </div>
      <div>
        <RewardBar reward={page.reward} weights={page.reward_weights} />
        {page.summary_group && (
          <p>
            <a href={href(["run", run.name, "group"], { ...page.summary_group })}>The group of her summary</a>
          </p>
        )}
        {page.group && (
          <p>
            <a href={href(["run", run.name, "group"], { ...page.group })}>The group that was learned from</a>
          </p>
        )}
      </div>
    </div>
  );
}
