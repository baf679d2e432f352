import { useState } from "preact/hooks";
import { brief, visible } from "../text";

/** Untrusted text in one line: a name or a value. */
export function Text({ children }: { children: string | number | null | undefined }) {
  return <>{children === null || children === undefined ? "–" : brief(String(children))}</>;
}

const LINES = 12;
const CHARACTERS = 1500;

/** Untrusted text of many lines; what is long is folded until "show all" is pressed. */
export function LongText({
  text,
  lines = LINES,
  class: name = "",
}: {
  text: string;
  lines?: number;
  class?: string;
}) {
  const [open, setOpen] = useState(false);
  const all = text.split("\n");
  const long = all.length > lines + 3 || text.length > CHARACTERS * 1.3;
  const head = all.slice(0, lines).join("\n").slice(0, CHARACTERS);
  return (
    <div class={`long ${name}`}>
      <div class="pre">{visible(open || !long ? text : head)}</div>
      {long && (
        <button class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "show less" : `show all (${all.length} lines)`}
        </button>
      )}
    </div>
  );
}
