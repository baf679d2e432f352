// Pages as Markdown, for an issue, a paper or a model.

import { visible } from "./text";

export type Cell = string | number | null | undefined;

/** A Markdown table; cells are one line each. */
export function mdTable(head: string[], rows: Cell[][]): string {
  const line = (cells: Cell[]) => `| ${cells.map((cell) => mdText(String(cell ?? ""))).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** Text in one line, without any markup of its own. */
export function mdText(text: string): string {
  return visible(text)
    .replace(/\n/g, " ")
    .replace(/([\\|`*_<>[\]])/g, "\\$1");
}

/** A block of code that its own text cannot end. */
export function mdBlock(text: string, language = ""): string {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), (run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${visible(text)}\n${fence}`;
}

export function mdPage(title: string, ...parts: (string | false | null | undefined)[]): string {
  return [`# ${visible(title)}`, ...parts.filter(Boolean)].join("\n\n") + "\n";
}
