// Keys that work everywhere, and those of the view that is shown. `?` lists them.

import { useLayoutEffect } from "preact/hooks";

export interface Key {
  /** One key, or two pressed one after the other: "n", "g r". */
  keys: string;
  does: string;
  run: () => void;
}

const active: Key[][] = [];
let first = "";

/** Return the keys of everything that is shown, the innermost last. */
export function activeKeys(): Key[] {
  return active.flat();
}

/** Bind keys while a component is shown. */
export function useKeys(keys: Key[]): void {
  // Before the page is painted: a key pressed at once must not act on the page before.
  useLayoutEffect(() => {
    active.push(keys);
    return () => void active.splice(active.indexOf(keys), 1);
  });
}

function pressed(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return; // the browser closes it with Escape
  const target = event.target as HTMLElement;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  if (typing) {
    if (event.key === "Escape") target.blur();
    return;
  }
  const both = first ? `${first} ${event.key}` : "";
  first = "";
  const all = activeKeys().reverse();
  const key = all.find((each) => each.keys === both) ?? all.find((each) => each.keys === event.key);
  if (key) {
    event.preventDefault();
    key.run();
  } else if (all.some((each) => each.keys.startsWith(`${event.key} `))) {
    first = event.key;
  }
}

addEventListener("keydown", pressed);
