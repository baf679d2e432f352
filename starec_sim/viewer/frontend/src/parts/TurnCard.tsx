import { useId, useState } from "preact/hooks";
import { money, number, seconds, sections, visible } from "../text";
import type { Turn } from "../types";
import { missingText } from "./NotRecorded";
import { LongText } from "./Text";
import { TokenLine } from "./TokenLine";

/** One call of a policy: prompt and answer, rendered, raw, or as tokens. */
export function TurnCard({ turn, open }: { turn: Turn; open: boolean }) {
  return (
    <details class="turn" open={open}>
      <summary>
        <strong>{visible(turn.node)}</strong>
        {turn.attempt > 0 && <span class="tag">repair</span>}{" "}
        <span class="quiet">
          {visible(turn.policy)} · {number(turn.tokens_in)} tokens in, {number(turn.tokens_out)} out ·{" "}
          {seconds(turn.latency_s)} s{turn.cost_usd !== null && ` · ${money(turn.cost_usd)}`} · from{" "}
          {visible(turn.source)}
          {turn.tries > 1 && ` · ${turn.tries} tries`}
        </span>
      </summary>
      {turn.failure && <p class="warn">The call failed: {visible(turn.failure)}</p>}
      {turn.error && <p class="warn">The answer cannot be read: {visible(turn.error)}</p>}
      {turn.recorded ? (
        <TurnTabs turn={turn} />
      ) : (
        <p class="quiet">Prompt and answer are {missingText(turn)}.</p>
      )}
    </details>
  );
}

const TABS = ["Rendered", "Raw", "Tokens"] as const;

function TurnTabs({ turn }: { turn: Turn }) {
  const [tab, setTab] = useState<(typeof TABS)[number]>("Rendered");
  const id = useId();
  const tabs = TABS.filter((each) => each !== "Tokens" || turn.tokens);
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length] ?? tab;
    setTab(next);
    document.getElementById(`${id}-${next}`)?.focus();
  };
  return (
    <>
      <div role="tablist" class="tabs" aria-label="How to show the call" onKeyDown={move}>
        {tabs.map((each) => (
          <button
            key={each}
            id={`${id}-${each}`}
            role="tab"
            aria-selected={each === tab}
            aria-controls={`${id}-panel`}
            tabIndex={each === tab ? 0 : -1}
            onClick={() => setTab(each)}
          >
            {each}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${tab}`}>
        {tab === "Tokens" && turn.tokens ? (
          <Tokens tokens={turn.tokens} />
        ) : (
          <>
            {turn.messages.map(([role, content], index) => (
              <Message key={index} role={role} content={content} raw={tab === "Raw"} />
            ))}
            <Message role="answer" content={turn.completion} raw={tab === "Raw"} />
          </>
        )}
      </div>
    </>
  );
}

function Message({ role, content, raw }: { role: string; content: string; raw: boolean }) {
  return (
    <div class={`message ${role === "answer" ? "answer" : ""}`}>
      <h3>{visible(role)}</h3>
      <div>{raw ? <LongText text={content} class="mono" lines={40} /> : <Rendered text={content} />}</div>
    </div>
  );
}

/** A text with its tags as headings. */
export function Rendered({ text, lines = 14 }: { text: string; lines?: number }) {
  if (!text.trim()) return <p class="quiet">empty</p>;
  return (
    <>
      {sections(text).map((section, index) => (
        <div key={index} class={section.tag ? "section" : ""}>
          {section.tag && <h4>{section.tag}</h4>}
          <LongText text={section.text} lines={lines} />
        </div>
      ))}
    </>
  );
}

function Tokens({ tokens }: { tokens: NonNullable<Turn["tokens"]> }) {
  const line = tokens.ids.map((id, index) => ({
    id,
    text: tokens.texts?.[index] ?? null,
    logprob: tokens.logprobs[index] ?? 0,
  }));
  const sampling = Object.entries(tokens.sampling)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
  return (
    <>
      <p class="quiet">
        Weights {visible(tokens.version)} · {visible(sampling)}
      </p>
      {!tokens.texts && <p class="quiet">No tokenizer is at hand: tokens are shown by their ids.</p>}
      <TokenLine tokens={line} />
    </>
  );
}
