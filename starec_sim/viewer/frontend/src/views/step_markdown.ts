import { mdBlock, mdPage } from "../markdown";
import { slateColumns } from "../parts/Slate";
import { asMarkdown } from "../parts/Table";
import { number, visible } from "../text";
import type { StepPage } from "../types";
import { outcome } from "./step_parts";

const MARK = { added: "+", removed: "-", kept: " " } as const;

/** A step as Markdown, in the order of its page. */
export function stepMarkdown(run: string, page: StepPage): string {
  const { at } = page;
  const traits = Object.entries(page.profile)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
  const rewards = Object.entries(page.reward)
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(", ");
  return mdPage(
    `${at.user}, round ${at.round}, step ${at.step} of ${run}`,
    `${visible(at.arm)}, seed ${at.seed}. ${visible(traits)}`,
    "## Remembered",
    mdBlock(page.memory_before.summary || "no summary yet"),
    "## Was shown",
    asMarkdown(slateColumns(page.slate), page.slate),
    ...page.turns.flatMap((turn) => [
      `## Call of ${visible(turn.node)}${turn.attempt ? ", repair" : ""} (${visible(turn.policy)})`,
      ...turn.messages.flatMap(([role, content]) => [`### ${visible(role)}`, mdBlock(content)]),
      "### answer",
      mdBlock(turn.completion),
    ]),
    "## Came of it",
    `${page.experiences.map((each) => `${visible(each.item.title)}: ${outcome(each)}`).join("; ") || "Nothing was revealed"}. ` +
      `Reward: ${visible(rewards) || "none"}. Gate: ${page.slow ? "slow" : "fast"}, ${visible(page.reason)}.`,
    "## Remembers now",
    mdBlock(page.changes.map((change) => `${MARK[change.op]} ${change.text}`).join("\n"), "diff"),
  );
}
