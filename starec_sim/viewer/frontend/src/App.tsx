import { useEffect, useState } from "preact/hooks";
import { useData, useLive } from "./api";
import { about, isBundle } from "./bundle";
import { useKeys } from "./keys";
import { KeyHelp } from "./parts/KeyHelp";
import { ErrorPage } from "./parts/ErrorPage";
import { RunBar } from "./parts/RunBar";
import { back, go, useRoute, type Route } from "./router";
import { visible } from "./text";
import { useTheme } from "./theme";
import type { RunRow } from "./types";
import { AskView } from "./views/Ask";
import { CompareView } from "./views/Compare";
import { GroupView } from "./views/Group";
import { NotesView } from "./views/Notes";
import { PeopleView } from "./views/People";
import { PersonView } from "./views/Person";
import { PopulationView } from "./views/Population";
import { RunView } from "./views/Run";
import { RunsView } from "./views/Runs";
import { SearchView } from "./views/Search";
import { StepView } from "./views/Step";
import { TrainingView } from "./views/Training";

/** What every view of a run gets. */
export interface ViewProps {
  run: RunRow;
  route: Route;
}

const VIEWS: Record<string, (props: ViewProps) => preact.ComponentChildren> = {
  "": RunView,
  people: PeopleView,
  person: PersonView,
  step: StepView,
  population: PopulationView,
  training: TrainingView,
  group: GroupView,
  ask: AskView,
  notes: NotesView,
  search: SearchView,
};

export function App() {
  const route = useRoute();
  const [theme, toggleTheme] = useTheme(route.params.get("theme"));
  const [help, setHelp] = useState(false);
  const listed = useData<RunRow[]>("api/runs");
  const runs = { ...listed, data: listed.data && newestFirst(listed.data) };
  const name = route.path[0] === "run" ? (route.path[1] ?? "") : "";
  const run = runs.data?.find((each) => each.name === name);
  useLive(name, !isBundle && (!name || run?.status === "running"));
  useNewPage(route);
  useKeys([
    { keys: "?", does: "list the keys", run: () => setHelp(true) },
    { keys: "g r", does: "go to the runs", run: () => go("#/runs") },
    { keys: "t", does: "dark or light", run: toggleTheme },
    { keys: "/", does: "search", run: focusSearch },
    { keys: "Escape", does: "back", run: back },
  ]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <nav class="bar" aria-label="Everything">
        <a class="mark" href="#/runs">
          starec view
        </a>
        <a href="#/runs" aria-current={route.path[0] === "runs" ? "page" : undefined}>
          Runs
        </a>
        {!isBundle && (
          <a href="#/compare" aria-current={route.path[0] === "compare" ? "page" : undefined}>
            Compare
          </a>
        )}
        <span class="space" />
        <button onClick={toggleTheme}>{theme === "dark" ? "Light" : "Dark"}</button>
        <button onClick={() => setHelp(true)}>
          Keys <kbd>?</kbd>
        </button>
      </nav>
      {isBundle && <p class="banner">Part of a run, saved as one page. {visible(about()?.left_out ?? "")}</p>}
      {run && <RunBar run={run} route={route} />}
      <main id="main" tabIndex={-1}>
        {route.path[0] === "run" ? (
          runs.failure ? (
            <ErrorPage failure={runs.failure} />
          ) : (
            <RunPage {...{ run, route, name }} known={runs.data} />
          )
        ) : route.path[0] === "compare" ? (
          <CompareView runs={runs} route={route} />
        ) : ["runs", undefined].includes(route.path[0]) ? (
          <RunsView runs={runs} route={route} />
        ) : (
          <ErrorPage
            failure={{ error: `There is no page “${route.path[0]}”.`, hint: "choose one of the runs" }}
          />
        )}
      </main>
      {help && <KeyHelp close={() => setHelp(false)} />}
    </>
  );
}

function newestFirst(runs: RunRow[]): RunRow[] {
  return [...runs].sort((a, b) => b.started.localeCompare(a.started));
}

/** Start a new page at its top. Between the steps of a person the place on the page stays. */
function useNewPage(route: Route): void {
  const page = route.path.slice(0, 4).join("/");
  useEffect(() => {
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [page]);
}

function RunPage({
  run,
  route,
  name,
  known,
}: {
  run: RunRow | undefined;
  route: Route;
  name: string;
  known: RunRow[] | null;
}) {
  if (!known)
    return (
      <p class="quiet" role="status">
        Loading …
      </p>
    );
  if (!run) {
    const hint = "starec runs lists the runs; starec view FOLDER shows those of another folder";
    return (
      <ErrorPage failure={{ error: `There is no run “${name}” here.`, hint, near: near(name, known) }} />
    );
  }
  const View = VIEWS[route.path[2] ?? ""];
  if (!View)
    return (
      <ErrorPage
        failure={{ error: `A run has no page “${route.path[2]}”.`, hint: "choose one of the pages above" }}
      />
    );
  return <View run={run} route={route} key={route.path[2]} />;
}

function near(name: string, known: RunRow[]): string[] {
  const start = name.split("-")[0] ?? name;
  return known
    .map((each) => each.name)
    .filter((each) => start && each.startsWith(start))
    .slice(0, 5);
}

function focusSearch(): void {
  document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
}

function skip(event: Event): void {
  event.preventDefault(); // the hash is the route
  document.getElementById("main")?.focus();
}
