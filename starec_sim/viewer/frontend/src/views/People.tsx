import { useState } from "preact/hooks";
import { api, useData } from "../api";
import type { ViewProps } from "../App";
import { mdPage } from "../markdown";
import { Chips } from "../parts/Chips";
import { Spark } from "../parts/Chart";
import { Await, Empty, PageHead } from "../parts/Page";
import { SearchBox } from "../parts/SearchBox";
import { asMarkdown, sortOf, Table, type Column } from "../parts/Table";
import { TrialChoice, trialOf } from "../parts/Trial";
import { go, href, withParams } from "../router";
import { peopleCommand, pythonOfPeople, showCommand } from "../snippets";
import { count, number, percent, visible } from "../text";
import type { People, PersonRow } from "../types";

const LIMIT = 100;

/** Who are they, and how do they behave? */
export function PeopleView({ run, route }: ViewProps) {
  const trial = trialOf(run, route);
  const [sort, descending] = sortOf(route, "people");
  const offset = Number(route.params.get("offset") ?? 0);
  const asked = {
    ...trial,
    sort,
    descending,
    q: route.params.get("q"),
    where: route.params.getAll("where"),
    offset,
    limit: LIMIT,
  };
  const loaded = useData<People>(api(run.name, "people", asked));
  const [words, setWords] = useState(route.params.get("q") ?? "");
  const filtered = Boolean(asked.q || asked.where.length);
  return (
    <Await of={loaded}>
      {(people) => {
        const shown = { ...chosen(people, asked.where, asked.q), sort, descending };
        const table = columns(people, (row) => href(["run", run.name, "person", row.user], trial));
        return (
          <>
            <PageHead
              title="People"
              copy={{
                json: people,
                markdown: () =>
                  mdPage(
                    `People of ${run.name}`,
                    asMarkdown(
                      table.filter(({ name }) => name !== "spark"),
                      people.rows,
                    ),
                    people.rows.length < people.total &&
                      `Left out: ${number(people.total - people.rows.length)} of ${number(people.total)} users; the page lists ${LIMIT} at a time.`,
                    "Left out: values by round.",
                  ),
                command: peopleCommand(run, trial, shown),
                python: pythonOfPeople(run, trial, shown),
              }}
            >
              {count(people.total, "user")}
              {filtered && " fit the filters"}
              {people.visited < people.total && `, ${number(people.visited)} of them visited`}
              {people.embedded !== undefined &&
                `. This page lists the first ${number(people.embedded)}, and filters them alone`}
            </PageHead>
            <div class="tools">
              <SearchBox
                label="Filter by id or trait, then Enter"
                value={words}
                onInput={setWords}
                onEnter={() => go(withParams(route, { q: words.trim(), offset: null }))}
              />
              <TrialChoice run={run} route={route} />
              <Chips />
            </div>
            {people.total === 0 && !filtered ? (
              <Empty command={showCommand(run)}>Nobody has visited yet.</Empty>
            ) : (
              <Table
                id="people"
                caption="People"
                hideCaption
                columns={table}
                rows={people.rows}
                rowKey={(row) => row.user}
                served={{
                  total: Math.min(people.total, people.embedded ?? people.total),
                  offset,
                  limit: LIMIT,
                }}
              />
            )}
          </>
        );
      }}
    </Await>
  );
}

/** Which people these are, for the snippets. A class of a trait is no value of a row. */
function chosen({ fields, rows }: People, where: string[], q: string | null) {
  const filters = where.map((each) => each.split(/:(.*)/s).slice(0, 2) as [string, string]);
  const traits = filters.filter(([name]) => fields.includes(name));
  const exact = traits.filter(([name, value]) => rows.every((row) => row.profile[name] === value));
  return {
    q: q ?? "",
    traits: exact,
    classes: traits.filter((each) => !exact.includes(each)),
    counts: filters.filter((each) => !traits.includes(each)),
    fields,
  };
}

function columns({ fields, spark }: People, link: (row: PersonRow) => string): Column<PersonRow>[] {
  return [
    {
      name: "user",
      head: "user",
      value: (row) => row.user,
      cell: (row) => <a href={link(row)}>{visible(row.user)}</a>,
    },
    ...fields.map((field): Column<PersonRow> => ({
      name: field,
      head: visible(field),
      value: (row) => row.profile[field],
      filters: true,
    })),
    { name: "visits", head: "visits", value: (row) => row.visits, filters: true },
    { name: "steps", head: "steps", value: (row) => row.steps },
    { name: "chosen", head: "chosen", value: (row) => row.chosen },
    { name: "liked", head: "liked", value: (row) => row.liked },
    { name: "mean_rating", head: "mean stars", value: (row) => row.mean_rating },
    {
      name: "slow_share",
      head: "slow",
      about: "Share of steps with slow thinking",
      value: (row) => row.slow_share,
      cell: (row) => percent(row.slow_share),
    },
    {
      name: "flaws",
      head: "flaws",
      about: "Steps whose answer had a flaw in the end",
      value: (row) => row.flaws,
      filters: true,
    },
    {
      name: "left_round",
      head: "left early in",
      about: "The last round in which she left before the visit was over",
      value: (row) => row.left_round,
      cell: (row) => (row.left_round ? <>round {row.left_round}</> : "–"),
      filters: true,
    },
    {
      name: "spark",
      head: spark === null ? "by round" : `${spark} by round`,
      plain: true,
      value: () => null,
      cell: (row) => <Spark values={row.spark} />,
    },
  ];
}
