import { useState } from "preact/hooks";
import { isBundle } from "../bundle";
import { go, href, search, type Route } from "../router";
import { visible } from "../text";
import type { RunRow } from "../types";
import { SearchBox } from "./SearchBox";

/** The pages of a run, with its arm and seed kept from page to page. */
export function RunBar({ run, route }: { run: RunRow; route: Route }) {
  const at = route.path[2] ?? "";
  const sought = at === "search" ? (route.params.get("q") ?? "") : "";
  const kept = search({ arm: route.params.get("arm"), seed: route.params.get("seed") });
  const pages: [string, string, string[]][] = [
    ["", "Run", []],
    ["people", "People", ["person", "step", "ask"]],
    ["population", "Population", []],
    ...(run.kind === "training" ? [["training", "Training", ["group"]] as [string, string, string[]]] : []),
    ["notes", "Notes", []],
  ];
  return (
    <nav class="bar run" aria-label="This run">
      <strong title={visible(run.name)}>{visible(run.name)}</strong>
      {run.status !== "finished" && <span class={`status ${run.status}`}>{run.status}</span>}
      {pages.map(([path, name, below]) => (
        <a
          key={path}
          href={href(["run", run.name, ...(path ? [path] : [])], kept)}
          aria-current={at === path ? "page" : below.includes(at) ? "true" : undefined}
        >
          {name}
        </a>
      ))}
      <span class="space" />
      {!isBundle && <WordSearch key={sought} run={run} initial={sought} />}
    </nav>
  );
}

function WordSearch({ run, initial }: { run: RunRow; initial: string }) {
  const [words, setWords] = useState(initial);
  return (
    <SearchBox
      label="Search prompts and answers"
      value={words}
      onInput={setWords}
      onEnter={() => words.trim() && go(href(["run", run.name, "search"], { q: words.trim() }))}
    />
  );
}
