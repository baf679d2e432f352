import { useState } from "preact/hooks";
import { api, grow, post, stepHref, useData } from "../api";
import type { ViewProps } from "../App";
import { isBundle, VIEW_COMMAND } from "../bundle";
import { asFailure } from "../failure";
import { mdPage } from "../markdown";
import { Chips } from "../parts/Chips";
import { Await, Empty, PageHead, Part } from "../parts/Page";
import { asMarkdown, Table, type Column } from "../parts/Table";
import { href } from "../router";
import { interviewCommand, leavingOut, pythonOfNotes } from "../snippets";
import { count, quoted, time, visible } from "../text";
import { Interviews, interviewsMarkdown } from "./Interviews";
import type { Address, Failure, Interview, Note, Notes, RunRow } from "../types";

/** What did readers mark in this run, and what did its users say when they were asked? */
export function NotesView({ run }: ViewProps) {
  const loaded = useData<Notes>(api(run.name, "notes"));
  const asked = useData<Interview[]>(api(run.name, "interviews"));
  const interviews = asked.data ?? [];
  const table = columns(run.name);
  const file = `${run.folder ?? `runs/${run.name}`}/notes.json`;
  return (
    <Await of={loaded}>
      {({ notes }) => (
        <>
          <PageHead
            title="Notes"
            copy={{
              json: { notes, interviews },
              markdown: () =>
                mdPage(
                  `Notes on ${run.name}`,
                  asMarkdown(table, notes),
                  interviews.length > 0 && "## Interviews",
                  ...interviewsMarkdown(interviews),
                ),
              command: notes.length
                ? leavingOut(`cat ${quoted(file)}`, interviews.length > 0 && "interviews")
                : interviewCommand(run),
              python: pythonOfNotes(run),
            }}
          >
            {count(notes.length, "note")} of readers beside the run; its record stays as it is.{" "}
            {notes.length > 0 && !isBundle && (
              <a href={api(run.name, "notes")} download="notes.json">
                Save as a file
              </a>
            )}
          </PageHead>
          <Chips />
          <Part name="Notes of readers" note="Steps that readers marked or asked again.">
            {notes.length === 0 ? (
              <Empty>
                Nothing is marked yet. Choose one of the{" "}
                <a href={href(["run", run.name, "people"])}>people</a>, open a step of hers, and say at its
                end what is wrong with it.
              </Empty>
            ) : (
              <Table
                id="notes"
                caption="Notes"
                hideCaption
                columns={table}
                rows={notes}
                rowKey={(note) => note.id}
              />
            )}
          </Part>
          {run.kind === "run" && <Interviews run={run} loaded={asked} />}
        </>
      )}
    </Await>
  );
}

function columns(run: string): Column<Note>[] {
  return [
    {
      name: "step",
      head: "step",
      nowrap: true,
      value: (note) => `${note.at.user}, round ${note.at.round}, step ${note.at.step}`,
      cell: (note) => (
        <a href={stepHref(run, note.at)}>
          {visible(note.at.user)}, round {note.at.round}, step {note.at.step}
        </a>
      ),
    },
    { name: "arm", head: "arm", value: (note) => note.at.arm, filters: true },
    { name: "kind", head: "kind", value: (note) => note.kind, filters: true },
    { name: "author", head: "author", value: (note) => note.author, filters: true },
    { name: "reason", head: "reason", value: (note) => note.reason },
    {
      name: "created",
      head: "when",
      nowrap: true,
      value: (note) => note.created,
      cell: (note) => time(note.created),
    },
  ];
}

/** What readers said about a step. */
export function StepNotes({ run, at }: { run: RunRow; at: Address }) {
  const loaded = useData<Notes>(api(run.name, "notes"));
  const names = ["arm", "seed", "user", "round", "step"] as const;
  const found = loaded.data?.notes.filter((note) => names.every((name) => note.at[name] === at[name])) ?? [];
  return (
    <ul class="plain">
      {found.map((note) => (
        <li key={note.id}>
          {visible(note.reason)}{" "}
          <span class="quiet">
            {visible(note.author)}, {time(note.created)}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** Marks a step, with an author and a reason. */
export function MarkForm({ run, at }: { run: RunRow; at: Address }) {
  const [author, setAuthor] = useAuthor();
  const [reason, setReason] = useState("");
  const [said, setSaid] = useState<Failure | string>("");
  if (isBundle)
    return (
      <p class="quiet">
        Steps can be marked in <code>{VIEW_COMMAND}</code>.
      </p>
    );
  const save = async () => {
    try {
      await post(api(run.name, "notes"), { at, author: author.trim(), reason: reason.trim() });
      setReason("");
      setSaid("Saved.");
      grow();
    } catch (error) {
      setSaid(asFailure(error));
    }
  };
  const marks: string[] = ["implausible", "contradiction", "copied order", "good example"];
  return (
    <div class="form">
      <label>
        Reason{" "}
        <input
          value={reason}
          maxLength={500}
          list="marks"
          placeholder="implausible"
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      <datalist id="marks">
        {marks.map((mark) => (
          <option key={mark} value={mark} />
        ))}
      </datalist>
      <label>
        Author{" "}
        <input value={author} maxLength={80} onInput={(event) => setAuthor(event.currentTarget.value)} />
      </label>
      <button onClick={save} disabled={!author.trim() || !reason.trim()}>
        Mark this step
      </button>
      <span role="status">{typeof said === "string" && said}</span>
      {typeof said !== "string" && (
        <span class="warn">
          {visible(said.error)} {visible(said.hint ?? "")}
        </span>
      )}
    </div>
  );
}

/** The author of notes, remembered between pages. */
export function useAuthor(): [string, (author: string) => void] {
  const [author, setAuthor] = useState(() => {
    try {
      return localStorage.getItem("starec-author") ?? "";
    } catch {
      return "";
    }
  });
  const keep = (name: string) => {
    setAuthor(name);
    try {
      localStorage.setItem("starec-author", name);
    } catch {
      // the name lasts for this page only
    }
  };
  return [author, keep];
}
