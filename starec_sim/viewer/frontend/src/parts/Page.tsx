import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Loaded } from "../api";
import { visible } from "../text";
import { CopyMenu, type Copies } from "./CopyMenu";
import { ErrorPage } from "./ErrorPage";

/** The head of a page: its name, one line about it, and the copy menu. */
export function PageHead({
  title,
  children,
  copy,
}: {
  title: string;
  children?: ComponentChildren;
  copy?: Copies | undefined;
}) {
  useEffect(() => {
    document.title = `${visible(title)} · starec view`;
  }, [title]);
  return (
    <header class="head">
      <div>
        <h1>{visible(title)}</h1>
        {children && <div class="sub">{children}</div>}
      </div>
      {copy && <CopyMenu {...copy} />}
    </header>
  );
}

/** What is loaded, or that it loads, or why it cannot be. */
export function Await<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  if (of.failure && !of.loading) return <ErrorPage failure={of.failure} />;
  if (of.data === null && of.loading)
    return (
      <p class="quiet" role="status">
        Loading …
      </p>
    );
  return <div aria-busy={of.loading}>{children(of.data as T)}</div>;
}

/** A part of a page with its heading in the margin. */
export function Part({
  name,
  note,
  wide = false,
  children,
}: {
  name: string;
  note?: ComponentChildren;
  /** The heading stands above, for what needs the width. */
  wide?: boolean;
  children: ComponentChildren;
}) {
  const id = `part-${name.toLowerCase().replace(/\W+/g, "-")}`;
  return (
    <section class={`part${wide ? " wide" : ""}`} aria-labelledby={id}>
      <div class="margin">
        <h2 id={id}>{name}</h2>
        {note && <div class="quiet">{note}</div>}
      </div>
      <div class="body">{children}</div>
    </section>
  );
}

/** Says that there is nothing, and what to do next. */
export function Empty({ children, command }: { children: ComponentChildren; command?: string }) {
  return (
    <p class="empty">
      {children} {command && <code class="command">{command}</code>}
    </p>
  );
}
