import { useRef, useState } from "preact/hooks";
import { useKeys } from "../keys";

export interface Copies {
  json: unknown;
  markdown: () => string;
  command: string;
  python: string;
}

/** Copies the page as JSON, as Markdown, as a command, or as Python. */
export function CopyMenu({ json, markdown, command, python }: Copies) {
  const [said, setSaid] = useState("");
  const menu = useRef<HTMLDetailsElement>(null);
  const copy = async (what: string, text: string) => {
    close();
    setSaid((await toClipboard(text)) ? `Copied: ${what}` : "The browser refuses to copy.");
    setTimeout(() => setSaid(""), 2500);
  };
  const close = () => menu.current && (menu.current.open = false);
  useKeys([
    { keys: "c", does: "copy the command that shows this page", run: () => copy("command", command) },
  ]);
  const choices: [string, string, () => string][] = [
    ["Command line", command, () => command],
    ["Markdown", "for an issue or a model", markdown],
    ["JSON", "the data of this page", () => JSON.stringify(json, null, 2)],
    ["Python", python.split("\n").at(-1) ?? "", () => python],
  ];
  return (
    <div class="copy">
      <span role="status" class="said">
        {said}
      </span>
      <details
        class="menu"
        ref={menu}
        onFocusOut={(event) => !menu.current?.contains(event.relatedTarget as Node | null) && close()}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || !menu.current?.open) return;
          event.preventDefault(); // else Escape goes back
          close();
        }}
      >
        <summary>Copy</summary>
        <div class="sheet">
          {choices.map(([what, about, text]) => (
            <button key={what} onClick={() => copy(what, text())}>
              <span>{what}</span>
              <code>{about}</code>
            </button>
          ))}
        </div>
      </details>
    </div>
  );
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy"); // pages from a file have no clipboard
    area.remove();
    return done;
  }
}
