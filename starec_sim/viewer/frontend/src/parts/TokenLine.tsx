import { useState } from "preact/hooks";
import { decimal, visible } from "../text";

export interface Token {
  text: string | null;
  id: number;
  logprob: number;
}

/** Bounds of the probability of a token, from sure to a surprise. */
const LEVELS: [number, string][] = [
  [0.9, "over 90 %"],
  [0.5, "50 to 90 %"],
  [0.2, "20 to 50 %"],
  [0.05, "5 to 20 %"],
  [0, "under 5 %"],
];
const SHOWN = 600;

function level(logprob: number): number {
  const probability = Math.exp(logprob);
  return LEVELS.findIndex(([bound]) => probability >= bound);
}

/** The tokens of an answer, underlined and coloured by how likely each was. */
export function TokenLine({ tokens }: { tokens: Token[] }) {
  const [all, setAll] = useState(false);
  const [at, setAt] = useState<Token | null>(null);
  const shown = all ? tokens : tokens.slice(0, SHOWN);
  const mean = tokens.reduce((sum, token) => sum + token.logprob, 0) / Math.max(1, tokens.length);
  return (
    <div class="tokens">
      <p class="legend">
        {LEVELS.map(([, words], index) => (
          <span key={words}>
            <span class={`token p${index}`}>{words}</span>{" "}
          </span>
        ))}
        <span class="quiet">mean log-probability {decimal(mean)}</span>
      </p>
      <p class="reading" role="status">
        {at
          ? `“${name(at)}” id ${at.id} · log-probability ${decimal(at.logprob)} · ${(
              Math.exp(at.logprob) * 100
            ).toFixed(1)} %`
          : "Point at a token, or move to the tokens and use the arrow keys."}
      </p>
      <div
        class="pre"
        tabIndex={0}
        role="application"
        aria-label="Tokens of the answer; arrow keys move from token to token"
        onKeyDown={(event) => {
          const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (!move) return;
          event.preventDefault();
          const next = (at ? shown.indexOf(at) : -1) + move;
          setAt(shown[Math.max(0, Math.min(shown.length - 1, next))] ?? null);
        }}
      >
        {shown.map((token, index) => (
          <span
            key={index}
            class={`token p${level(token.logprob)}${token === at ? " at" : ""}`}
            onMouseEnter={() => setAt(token)}
          >
            {token.text === null ? `${token.id} ` : visible(token.text)}
          </span>
        ))}
      </div>
      {tokens.length > SHOWN && (
        <button class="link" onClick={() => setAll(!all)}>
          {all ? "show less" : `show all ${tokens.length} tokens`}
        </button>
      )}
    </div>
  );
}

function name(token: Token): string {
  return token.text === null ? String(token.id) : visible(token.text).replace(/\n/g, "⏎");
}
