import { number } from "../text";

/** Stars out of five, as marks and in words. */
export function Stars({ value, kind = "" }: { value: number | null | undefined; kind?: string }) {
  if (value === null || value === undefined) return <span class="quiet">–</span>;
  const full = Math.max(0, Math.min(5, Math.round(value)));
  return (
    <span class={`stars ${kind}`} title={`${number(value, 2)} of 5 stars`}>
      <span aria-hidden="true">
        {"★".repeat(full)}
        <span class="faint">{"★".repeat(5 - full)}</span>
      </span>
      <span class={Number.isInteger(value) ? "hidden" : ""}> {number(value, 1)}</span>
    </span>
  );
}
