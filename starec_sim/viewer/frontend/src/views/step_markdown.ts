import { mdBlock, mdPage, mdText } from "../markdown";
import { missingText } from "../parts/NotRecorded";
import { components, missing, total } from "../parts/Reward";
import { slateColumns } from "../parts/Slate";
import { asMarkdown } from "../parts/Table";
import { count, number, visible } from "../text";
import type { StepPage, Turn } from "../types";
import { didText, endingText, flawsText, outcome, SET_BY_SCHEDULE, SLATE_SET } from "./step_parts";

const MARK = { added: "+", removed: "-", kept: " " } as const;

/** A step as Markdown, in the order of its page. */
export function stepMarkdown(run: string, page: StepPage): string {
  const { at } = page;
  const traits = Object.entries(page.profile).map(([name, value]) => `${name}: ${value}`);
  return mdPage(
    `${at.user}, round ${at.round}, step ${at.step} of ${run}`,
    mdText(`${at.arm}, seed ${at.seed}. ${traits.join(", ")}`),
    "## Did",
    mdText(didText(page)),
    page.repaired && "The first answer could not be read; the second could.",
    flawsText(page) && `Flaws of the answer: ${mdText(flawsText(page))}`,
    ...memory(page),
    "## Was shown",
    asMarkdown(slateColumns(page.slate), page.slate),
    page.slate_set === true && SLATE_SET,
    ...cameOfIt(page),
    "## Second thought",
    mdText(`${page.slow ? "She thought again" : "She went on"}. The gate says: ${page.reason || "nothing"}`),
    "## Remembers now",
    mdBlock(page.changes.map((change) => `${MARK[change.op]} ${change.text}`).join("\n"), "diff"),
    ...page.turns.flatMap(call),
  );
}

function memory({ memory_before: before, recalled, turns }: StepPage): (string | false)[] {
  const unrecorded = turns.find((turn) => !turn.recorded);
  return [
    "## Remembered",
    `After ${count(before.steps, "step")}.`,
    mdBlock(before.summary || "no summary yet"),
    before.edited === true && SET_BY_SCHEDULE,
    before.shown.length > 0 && `In the prompt:\n\n${list(before.shown)}`,
    unrecorded !== undefined && `The experiences in the prompt are ${missingText(unrecorded)}.`,
    recalled?.length === 0 && "Recalled: nothing fits this slate.",
    Boolean(recalled?.length) &&
      `Recalled:\n\n${list((recalled ?? []).map(({ item, score }) => `${item.title} ${number(score)}`))}`,
  ];
}

function cameOfIt(page: StepPage): (string | false)[] {
  const { reward, reward_weights: weights, experiences } = page;
  const parts = components(reward, weights);
  const named = parts.map(
    ({ name, value, weight }) => `${name} ${number(value)}${weights ? ` × ${number(weight ?? 0)}` : ""}`,
  );
  const added = missing(reward, weights).map((name) => `${name} × ${number(weights?.[name])}`);
  const groups = [
    [page.group, "The group that was learned from"],
    [page.summary_group, "The group of her summary"],
  ] as const;
  return [
    "## Came of it",
    experiences.length > 0
      ? list(experiences.map((each) => `${each.item.title}: ${outcome(each)}${from(each.source)}`))
      : "Nothing was revealed.",
    mdText(endingText(page)),
    mdText(`Reward: ${named.join(", ") || "none"}${weights ? `; together ${number(total(parts))}` : ""}.`),
    added.length > 0 && mdText(`The training adds ${added.join(", ")}.`),
    ...groups.map(([place, name]) => Boolean(place) && `${name}: step ${place?.step}, ${place?.group}.`),
  ];
}

const from = (source: string) => (source === "world" ? "" : ` (${source})`);

const list = (lines: string[]) => lines.map((line) => `- ${mdText(line)}`).join("\n");

function call(turn: Turn): (string | false)[] {
  const name = `## Call of ${turn.node}${turn.attempt ? ", repair" : ""} (${turn.policy})`;
  if (!turn.recorded) return [visible(name), `Prompt and answer are ${missingText(turn)}.`];
  return [
    visible(name),
    ...turn.messages.flatMap(([role, content]) => [`### ${visible(role)}`, mdBlock(content)]),
    "### answer",
    mdBlock(turn.completion),
    ...(turn.reasoning && !turn.completion.includes(turn.reasoning)
      ? ["### reasoning", mdBlock(turn.reasoning)]
      : []),
    Boolean(turn.error) && `The answer cannot be read: ${mdText(turn.error)}`,
    Boolean(turn.failure) && `The call failed: ${mdText(turn.failure)}`,
  ];
}
