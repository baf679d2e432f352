// The difference of two texts by line.

import type { Change } from "./types";

const MOST = 1500;

/** Return the lines of two texts as added, removed or kept (longest common subsequence). */
export function lineDiff(before: string, after: string): Change[] {
  const a = before.split("\n").slice(0, MOST);
  const b = after.split("\n").slice(0, MOST);
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const changes: Change[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      changes.push({ op: "kept", text: a[i] ?? "" });
      (i++, j++);
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) {
      changes.push({ op: "removed", text: a[i++] ?? "" });
    } else {
      changes.push({ op: "added", text: b[j++] ?? "" });
    }
  }
  if (before.split("\n").length > MOST || after.split("\n").length > MOST)
    changes.push({ op: "kept", text: `(only the first ${MOST} lines are compared)` });
  return changes;
}
