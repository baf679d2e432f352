// Everything that comes from a run is untrusted text. It is shown in text nodes only, and characters
// that a terminal or a bidirectional text could use to deceive are made visible.

// C0 without tab and line feed, DEL, C1, zero-width, bidirectional marks, and line separators.
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** Replace control characters by their pictures (␛) and the invisible by their code points. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `\u27e6U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e7`;
  });
}

const NAME = 160;

/** A name in one line: a title, a reason, a value. */
export function brief(text: string): string {
  const all = visible(text.replace(/\s+/g, " "));
  return all.length > NAME ? `${all.slice(0, NAME)}…` : all;
}

/** A number as people read it: whole, or with three decimals; thousands apart. */
export function number(value: number | null | undefined, decimals = 3): string {
  return decimal(value, Number.isInteger(value) ? 0 : decimals);
}

/** A number with decimals even where it is whole, so that those of a column stand in line. */
export function decimal(value: number | null | undefined, decimals = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  // Rounded as Python rounds it, so that a figure is the same on the command line.
  return Number(value.toFixed(decimals))
    .toLocaleString("en-US", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      signDisplay: "negative", // not "−0.000"
    })
    .replace("-", "−");
}

export function signed(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const digits = Math.abs(value).toFixed(3);
  if (Number(digits) === 0) return digits; // neither "−0.000" nor "+0.000"
  return (value < 0 ? "−" : "+") + digits;
}

/** The p of a test: "0.012", "< 0.001". */
export function pValue(p: number | null | undefined): string {
  return p !== null && p !== undefined && p < 0.001 ? "< 0.001" : decimal(p);
}

/** How long a call took; those of a script take less than a millisecond. */
export function seconds(value: number | null | undefined): string {
  return value && value < 0.001 ? "< 0.001" : number(value);
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

export function money(usd: number | null | undefined): string {
  if (usd === null || usd === undefined) return "–";
  return usd >= 0.01 || usd === 0 ? `$${usd.toFixed(2)}` : `$${usd.toPrecision(2)}`;
}

/** "2026-11-29T19:49:02+0000" as "2026-11-29 19:49". */
export function time(iso: string | null | undefined): string {
  return iso ? iso.slice(0, 16).replace("T", " ") : "–";
}

/** "1 step", "2 steps". */
export function count(n: number, noun: string): string {
  return `${number(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** What an attempt is, as starec_sim/runs/attempts.py says; empty for the question of a node. */
export function attemptText(attempt: number): string {
  if (attempt >= 10_000) return "another visit of the group";
  if (attempt >= 1_000) return "a follow-up ranking";
  if (attempt >= 100) return "another answer";
  return attempt ? "repair" : "";
}

/** An argument of a shell command, quoted where it has to be. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replace(/'/g, "'\\''")}'`;
}

export interface Section {
  tag: string | null;
  text: string;
}

const OPENING = /^<([a-z_]+)(?: [^<>]*)?>/;

/** Split a prompt or an answer at its tags: `<think>...</think>` is one section. */
export function sections(text: string): Section[] {
  const found: Section[] = [];
  const plain = (part: string) => part.trim() && found.push({ tag: null, text: part.trim() });
  let rest = text;
  let before = "";
  while (rest) {
    const lineEnd = rest.indexOf("\n") + 1 || rest.length;
    const tag = OPENING.exec(rest)?.[1];
    const closing = tag ? rest.indexOf(`</${tag}>`) : -1;
    if (tag && closing >= 0) {
      plain(before);
      before = "";
      const inner = rest.slice(rest.indexOf(">") + 1, closing);
      found.push({ tag, text: inner.replace(/^\n+|\s+$/g, "") });
      rest = rest.slice(closing + tag.length + 3);
    } else {
      before += rest.slice(0, lineEnd);
      rest = rest.slice(lineEnd);
    }
  }
  plain(before);
  return found;
}
