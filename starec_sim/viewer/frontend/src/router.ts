// The state of the page is in the URL: #/run/NAME/people?arm=loop&q=war

import { useEffect, useState } from "preact/hooks";

export type Params = Record<string, string | number | boolean | null | undefined | string[]>;

export interface Route {
  path: string[];
  params: URLSearchParams;
}

/** Return the hash of a page; parameters without a value are left out. */
export function href(path: (string | number)[], params: Params | URLSearchParams = {}): string {
  const query = params instanceof URLSearchParams ? params : search(params);
  const text = query.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export function search(params: Params): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (Array.isArray(value)) value.forEach((each) => query.append(name, each));
    else if (value !== null && value !== undefined && value !== "" && value !== false)
      query.append(name, String(value));
  }
  return query;
}

export function readRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    params: new URLSearchParams(query),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a damaged escape stays as it was typed
  }
}

/** Follow the hash of the window. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => readRoute(location.hash));
  useEffect(() => {
    const follow = () => setRoute(readRoute(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}

let pages = 0;

export function go(hash: string): void {
  location.hash = hash;
}

/** Go back to the page before this one; from the first page, to the runs. */
export function back(): void {
  if (pages > 0) {
    pages -= 2; // going back changes the hash once more
    history.back();
  } else {
    go("#/runs");
  }
}

addEventListener("hashchange", () => pages++);

/** Return the current page with some parameters changed; null removes one. */
export function withParams(route: Route, changes: Params): string {
  const query = new URLSearchParams(route.params);
  for (const name of Object.keys(changes)) query.delete(name);
  for (const [name, value] of search(changes)) query.append(name, value);
  return href(route.path, query);
}

/** Return the current page with the filter FIELD:VALUE added or removed. */
export function withFilter(route: Route, filter: string, on: boolean): string {
  const others = route.params.getAll("where").filter((each) => each !== filter);
  return withParams(route, { where: on ? [...others, filter] : others, offset: null });
}

/** Change the URL without a new entry in the history, for what changes with every key. */
export function replace(hash: string): void {
  history.replaceState(null, "", hash);
  pages--; // the event below is no new page
  dispatchEvent(new Event("hashchange"));
}
