import { RewardBar } from "../parts/Reward";
import { acts } from "../parts/Slate";
import { Stars } from "../parts/Stars";
import { LongText } from "../parts/Text";
import { href } from "../router";
import { brief, count, number, visible } from "../text";
import type { Experience, RunRow, StepPage, Turn } from "../types";

/** What she remembered before the step. */
export function Memory({ page }: { page: StepPage }) {
  const { summary, shown } = page.memory_before;
  return (
    <>
      {summary ? <LongText text={summary} class="columns" /> : <p class="quiet">No summary yet.</p>}
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
      {page.turns.some((turn) => !turn.recorded) && (
        <p class="quiet">The experiences in the prompt are not on record (record: decisions).</p>
      )}
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
function NotRecorded() {
  return (
    <p class="quiet">
      Not on record: the run was recorded with <code>record: decisions</code>.
    </p>
  );
}

/** The reasoning of her answer. */
export function Thought({ turn }: { turn: Turn | undefined }) {
  if (!turn) return <p class="quiet">No policy was asked.</p>;
  if (!turn.recorded) return <NotRecorded />;
  return turn.reasoning ? (
    <LongText text={turn.reasoning} />
  ) : (
    <p class="quiet">The answer has no reasoning.</p>
  );
}

/** Her decision in one sentence, with what was wrong with the answer. */
export function Did({ page }: { page: StepPage }) {
  const flaws = Object.entries(page.flaws)
    .map(([name, n]) => `${name} ${n}`)
    .join(", ");
  const watched = page.slate.filter((place) => place.watched);
  const ranked = page.slate
    .filter((place) => place.rank !== null)
    .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  return (
    <>
      {ranked.length === 0 && page.slate.some((place) => place.watched !== null) ? (
        <p>
          {acts(page.slate) ? "Did something with" : "Watched"} {watched.length} of {page.slate.length}
          {watched.length > 0 && (
            <>
              :{" "}
              {watched
                .map(({ item, action }) =>
                  acts(page.slate) ? `${brief(item.title)} (${visible(action ?? "")})` : brief(item.title),
                )
                .join(", ")}
            </>
          )}
          .{page.leave ? " Then she left." : page.ending ? "" : " Then she stayed."}
        </p>
      ) : (
        <p>
          Ranked {ranked.length} of {page.slate.length}
          {ranked.length > 0 && (
            <>
              , first:{" "}
              {ranked
                .slice(0, 3)
                .map((place) => brief(place.item.title))
                .join(" > ")}
            </>
          )}
          .
        </p>
      )}
      {page.repaired && <p>The first answer could not be read; the second could.</p>}
      {flaws && <p class="warn">Flaws of the answer: {visible(flaws)}</p>}
    </>
  );
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
        <p class="quiet">{page.ending ? `The visit ends: ${brief(page.ending)}` : "The visit goes on."}</p>
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
