import { mdBlock, mdPage, mdTable } from "../markdown";
import { ErrorPage } from "../parts/ErrorPage";
import { Rendered } from "../parts/TurnCard";
import { count, money, percent, visible } from "../text";
import type { AskAnswer, Failure, Message, StepPage, Turn } from "../types";

/** The answers and how often each decision was made, or the answer on record before that. */
export function Answers({ state, turn }: { state: "" | "asking" | Failure | AskAnswer; turn: Turn }) {
  if (state === "asking") return <p role="status">Asking …</p>;
  if (state === "") return <Original turn={turn} open />;
  if (!("answers" in state)) return <ErrorPage failure={state} />;
  const most = Math.max(1, ...state.distribution.map((each) => each.count));
  return (
    <>
      <p>
        {count(state.asked, "answer")}, {state.failed} failed
        {state.cost_usd !== null && `, ${money(state.cost_usd)}`}. The decision on record is marked.
      </p>
      <table>
        <caption class="hidden">Decisions</caption>
        <thead>
          <tr>
            <th scope="col">decision</th>
            <th scope="col" class="number">
              times
            </th>
            <th scope="col">share</th>
          </tr>
        </thead>
        <tbody>
          {state.distribution.map((each) => (
            <tr key={each.decision}>
              <td>
                {visible(each.decision)}
                {each.original && <span class="tag">on record</span>}
              </td>
              <td class="number">{each.count}</td>
              <td>
                <svg width="124" height="12" aria-hidden="true">
                  <rect y="2" height="8" width={(each.count / most) * 120} class="fill-0" />
                </svg>{" "}
                {percent(each.count / Math.max(1, state.asked))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="answers">
        <Original turn={turn} />
        {state.answers.map((each, index) => (
          <details key={index} class="turn">
            <summary>
              Answer {index + 1} <span class="quiet">{visible(each.decision)}</span>
            </summary>
            <Rendered text={each.completion} />
          </details>
        ))}
      </div>
    </>
  );
}

function Original({ turn, open = false }: { turn: Turn; open?: boolean }) {
  return (
    <details class="turn" open={open}>
      <summary>
        On record <span class="quiet">{visible(turn.policy)}</span>
      </summary>
      <Rendered text={turn.completion} />
    </details>
  );
}

/** The question and its answers as Markdown. */
export function markdown(page: StepPage, messages: Message[], answer: AskAnswer | null): string {
  return mdPage(
    `Asked again: ${page.at.user}, round ${page.at.round}, step ${page.at.step}`,
    ...messages.map(([, content]) => mdBlock(content)),
    answer &&
      mdTable(
        ["decision", "times", "on record"],
        answer.distribution.map((each) => [each.decision, each.count, each.original ? "yes" : ""]),
      ),
    ...(answer?.answers ?? []).map((each) => mdBlock(each.completion)),
  );
}
