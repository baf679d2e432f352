// Reads the server's answers, or those that are embedded in a bundle.

import { useEffect, useState } from "preact/hooks";
import { bundled } from "./bundle";
import { ApiError, asFailure } from "./failure";
import { href, search, type Params } from "./router";
import type { Address, Failure } from "./types";

/** Return the path of an answer about a run, e.g. run("x", "people", {arm: "loop"}). */
export function api(run: string, what = "", params: Params = {}): string {
  const query = search(params).toString();
  const end = what ? `/${what}` : "";
  return `api/runs/${encodeURIComponent(run)}${end}${query ? `?${query}` : ""}`;
}

export const stepPath = (run: string, at: Address) => api(run, "step", { ...at });

/** The page of a step. */
export function stepHref(run: string, at: Address): string {
  const { arm, seed, user, round, step } = at;
  return href(["run", run, "step", user, round, step], { arm, seed });
}

export async function get<T>(path: string): Promise<T> {
  const embedded = bundled(path);
  if (embedded !== undefined) return embedded as T;
  return answer<T>(fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return answer<T>(
    fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Starec": "1" },
      body: JSON.stringify(body),
    }),
  );
}

async function answer<T>(request: Promise<Response>): Promise<T> {
  let response: Response;
  try {
    response = await request;
  } catch {
    throw new ApiError({
      error: "The server does not answer.",
      hint: "start it again with: starec view",
    });
  }
  let value: unknown;
  try {
    value = await response.json();
  } catch {
    throw new ApiError({ error: `The server's answer (${response.status}) is no JSON.` });
  }
  if (response.ok) return value as T;
  const failure = value as Partial<Failure>;
  throw new ApiError({ ...failure, error: failure.error ?? `The server answers ${response.status}.` });
}

export interface Loaded<T> {
  data: T | null;
  failure: Failure | null;
  loading: boolean;
}

/** Load an answer, and load it again when the run has grown. A null path loads nothing. */
export function useData<T>(path: string | null): Loaded<T> {
  const grown = useGrowth();
  const [state, setState] = useState<Loaded<T> & { path: string | null }>({
    data: null,
    failure: null,
    loading: true,
    path: null,
  });
  useEffect(() => {
    if (path === null) return;
    let wanted = true;
    get<T>(path).then(
      (data) => wanted && setState({ data, failure: null, loading: false, path }),
      (error: unknown) => wanted && setState({ data: null, failure: asFailure(error), loading: false, path }),
    );
    return () => {
      wanted = false;
    };
  }, [path, grown]);
  // While the next page loads the last one stays: nothing flickers when n or p is pressed.
  return { ...state, loading: state.path !== path };
}

// Runs that are being written tell so; every view that is shown then loads its data again.
let growth = 0;
const listeners = new Set<(growth: number) => void>();

function useGrowth(): number {
  const [value, setValue] = useState(growth);
  useEffect(() => {
    listeners.add(setValue);
    return () => void listeners.delete(setValue);
  }, []);
  return value;
}

export function grow(): void {
  growth += 1;
  listeners.forEach((tell) => tell(growth));
}

/** Listen to a run that is being written, or to the list of runs ("" as name). */
export function useLive(run: string, live: boolean): void {
  useEffect(() => {
    if (!live) return;
    const events = new EventSource(`api/events${run ? `?run=${encodeURIComponent(run)}` : ""}`);
    events.onmessage = grow;
    // After a break nobody said what changed meanwhile.
    let opened = false;
    events.onopen = () => {
      if (opened) grow();
      opened = true;
    };
    return () => events.close();
  }, [run, live]);
}
