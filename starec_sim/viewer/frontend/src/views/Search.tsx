import { api, stepHref, useData } from "../api";
import type { ViewProps } from "../App";
import { mdPage, mdTable } from "../markdown";
import { Chips, Value } from "../parts/Chips";
import { Kept } from "../parts/NotRecorded";
import { Await, Empty, PageHead } from "../parts/Page";
import { pythonOfSearch, searchCommand } from "../snippets";
import { attemptText, number, visible } from "../text";
import type { SearchResult } from "../types";

const LIMIT = 200;

/** Where do these words occur in prompts, answers and summaries? */
export function SearchView({ run, route }: ViewProps) {
  const q = route.params.get("q") ?? "";
  const filters = new Map(
    route.params.getAll("where").map((each) => each.split(/:(.*)/s) as [string, string]),
  );
  const node = filters.get("node") ?? null;
  const user = filters.get("user") ?? null;
  const arm = filters.get("arm") ?? null;
  const loaded = useData<SearchResult>(
    q ? api(run.name, "search", { q, node, user, arm, limit: LIMIT }) : null,
  );
  if (!q)
    return (
      <>
        <PageHead title="Search" />
        <Empty command={searchCommand(run, "words")}>
          Type words into the field above, then Enter. On the command line:
        </Empty>
      </>
    );
  return (
    <Await of={loaded}>
      {(result) => (
        <>
          <PageHead
            title={q.includes('"') ? q : `“${q}”`}
            copy={{
              json: result,
              markdown: () =>
                mdPage(
                  `“${q}” in ${run.name}`,
                  mdTable(
                    ["user", "round", "step", "node", "where", "text"],
                    result.hits.map((hit) => [
                      hit.at.user,
                      hit.at.round,
                      hit.at.step,
                      hit.node,
                      [hit.where, attemptText(hit.attempt)].filter(Boolean).join(", "),
                      hit.snippet.map((part) => part.text).join(""),
                    ]),
                  ),
                  result.total > result.hits.length &&
                    `Left out: all but the first ${result.hits.length} of ${result.more ? "more than " : ""}${number(result.total)}.`,
                ),
              command: searchCommand(run, q, { node, user, arm, limit: String(LIMIT) }),
              python: pythonOfSearch(run, q, { node, user, arm }, LIMIT),
            }}
          >
            {result.more && "more than "}
            {number(result.total)} found
            {result.total > result.hits.length && `, the first ${result.hits.length} are shown`}
          </PageHead>
          <Chips />
          {result.record === "decisions" && (
            <p class="quiet">
              Only summaries are searched: the run was <Kept of={result} />, without prompts and answers.
            </p>
          )}
          {result.hits.length === 0 && (
            <Empty command={searchCommand(run, "other words")}>Nothing has these words. Try others:</Empty>
          )}
          <ol class="hits">
            {result.hits.map((hit, index) => (
              <li key={index}>
                <a href={stepHref(run.name, hit.at)}>
                  round {hit.at.round}, step {hit.at.step}
                </a>{" "}
                <Value field="user" value={hit.at.user} />{" "}
                <span class="quiet">
                  {hit.node && (
                    <>
                      <Value field="node" value={hit.node} />,{" "}
                    </>
                  )}
                  {hit.where}
                  {hit.attempt > 0 && ` (${attemptText(hit.attempt)})`},{" "}
                  <Value field="arm" value={hit.at.arm} />
                </span>
                <p>
                  {hit.snippet.map((part, place) =>
                    part.hit ? <mark key={place}>{visible(part.text)}</mark> : visible(part.text),
                  )}
                </p>
              </li>
            ))}
          </ol>
        </>
      )}
    </Await>
  );
}
