import { useState } from "preact/hooks";
import { count, visible } from "../text";
import type { Change } from "../types";

const MARK = { added: "+", removed: "−", kept: " " } as const;

const MOST = 24;

/** Lines that were added (+), removed (−) or kept. Kept ones are folded unless few. */
export function DiffLines({ changes }: { changes: Change[] }) {
  const [all, setAll] = useState(false);
  const [long, setLong] = useState(false);
  const changed = changes.filter((change) => change.op !== "kept");
  const kept = changes.length - changed.length;
  const wanted = all ? changes : changed;
  const shown = long || wanted.length < MOST * 1.3 ? wanted : wanted.slice(0, MOST);
  if (!changed.length && !all)
    return (
      <p>
        Nothing changed.{" "}
        {kept > 0 && (
          <button class="link" onClick={() => setAll(true)}>
            show {count(kept, "line")}
          </button>
        )}
      </p>
    );
  return (
    <>
      <ol class="diff">
        {shown.map((change, index) => (
          <li key={index} class={change.op}>
            <span class="mark" aria-hidden="true">
              {MARK[change.op]}
            </span>
            <span class="hidden">{change.op}: </span>
            {visible(change.text)}
          </li>
        ))}
      </ol>
      {shown.length < wanted.length && (
        <button class="link" onClick={() => setLong(true)}>
          show all {wanted.length} lines
        </button>
      )}{" "}
      {kept > 0 && (
        <button class="link" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "only what changed" : `show ${count(kept, "unchanged line")} too`}
        </button>
      )}
    </>
  );
}
