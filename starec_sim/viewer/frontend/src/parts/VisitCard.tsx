import { brief, count, number, visible } from "../text";
import type { VisitStep } from "../types";
import { Stars } from "./Stars";

const SHOWN = 10;

/** The items of a slate that a card has place for: always those that she chose or found out about. */
function seen(step: VisitStep): VisitStep["slate"] {
  const matters = (id: string) => step.chosen.includes(id) || step.stars[id] !== undefined;
  let others = SHOWN - step.slate.filter((item) => matters(item.id)).length;
  return step.slate.filter((item) => matters(item.id) || others-- > 0);
}

/** The weighted reward of a step; without weights, each of its components. */
export function rewardWords(step: VisitStep): string {
  if (step.reward_total !== null) return number(step.reward_total);
  return Object.entries(step.reward)
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(", ");
}

/** One step as a card: what was shown, what she chose, and what came of it. */
export function VisitCard({
  id,
  name,
  step,
  link,
  chosen = false,
}: {
  id?: string;
  name: string;
  step: VisitStep;
  link: string;
  chosen?: boolean;
}) {
  const places = seen(step);
  const flaws = Object.values(step.flaws).reduce((sum, n) => sum + n, 0);
  return (
    <li class={`card${chosen ? " chosen" : ""}`} id={id}>
      <a href={link}>
        <strong>{name}</strong>
      </a>{" "}
      <span class="quiet">{step.task === "ranking" ? "ranking" : `page ${step.page}`}</span>
      <ul>
        {places.map((item) => (
          <li key={item.id} class={step.chosen.includes(item.id) ? "picked" : "quiet"}>
            <span class="title" title={visible(item.title)}>
              <span aria-hidden="true">{step.chosen.includes(item.id) ? "● " : "○ "}</span>
              {step.chosen.includes(item.id) && <span class="hidden">chosen: </span>}
              {brief(item.title)}
            </span>
            {step.stars[item.id] !== undefined && <Stars value={step.stars[item.id]} />}
          </li>
        ))}
        {step.slate.length > places.length && (
          <li class="quiet">and {step.slate.length - places.length} more</li>
        )}
      </ul>
      <p>
        {rewardWords(step) && <>reward {brief(rewardWords(step))} · </>}
        {step.slow ? <strong>slow</strong> : "fast"}: <span class="quiet">{brief(step.reason)}</span>
        {flaws > 0 && <span class="warn"> · {count(flaws, "flaw")}</span>}
        {step.ending && <> · ends: {brief(step.ending)}</>}
      </p>
    </li>
  );
}
