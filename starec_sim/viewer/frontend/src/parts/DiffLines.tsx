import { useState } from "preact/hooks";
import { visible } from "../text";
import type { Change } from "../types";

const MARK = { added: "+", removed: "−", kept: " " } as const;

/** Lines that were added (+), removed (−) or kept. Kept ones are folded unless few. */
export function DiffLines({ changes }: { changes: Change[] }) {
  const [all, setAll] = useState(false);
  const changed = changes.filter((change) => change.op !== "kept");
  const kept = changes.length - changed.length;
  if (!changed.length && !all)
    return (
      <p>
        Nothing changed.{" "}
        {kept > 0 && <button class="link" onClick={() => setAll(true)}>show the {kept} lines</button>}
      </p>
    );
  return (
    <>
      <ol class="diff">
        {(all ? changes : changed).map((change, index) => (
          <li key={index} class={change.op}>
            <span class="mark" aria-hidden="true">{MARK[change.op]}</span>
            <span class="hidden">{change.op}: </span>
            {visible(change.text)}
          </li>
        ))}
      </ol>
      {kept > 0 && (
        <button class="link" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "only what changed" : `show the ${kept} unchanged lines too`}
        </button>
      )}
    </>
  );
}
