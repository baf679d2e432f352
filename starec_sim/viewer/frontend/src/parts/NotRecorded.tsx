import type { RecordLevel, Turn } from "../types";

/** How a run came to keep less than everything, after "the run was". */
export function Kept({ of }: { of: { record: RecordLevel; compacted: boolean } }) {
  return of.compacted ? (
    <>
      compacted to <code>{of.record}</code>
    </>
  ) : (
    <>
      recorded with <code>record: {of.record}</code>
    </>
  );
}

/** Why prompt and answer of a call are missing, as its answer says: "not on record: ...". */
export const missingText = (turn: Turn) => turn.completion.replace(/^\[|\]$/g, "");
