"""How the trace of one user is printed: her visits, step by step."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import indent
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from starec_sim.answers import label, thought
from starec_sim.cli.tables import console, grid, one_line
from starec_sim.cli.text import clean
from starec_sim.runs.reader import RecordedStep, RecordedTrial
from starec_sim.types import Experience, Item, Node, Turn, User

_ENDINGS = {
    "left": "She left.",
    "tired": "She was tired and left.",
    "pages": "There were no more pages.",
    "done": "",
}
_LINES = 12
"""Lines of a thought that are shown without --prompts."""
_CHANGES = 12
"""Changes of a memory that are shown without --prompts."""
_TOP = 5
"""Places of a ranking that are shown."""


def print_trace(
    user: User,
    trial: RecordedTrial,
    steps: Sequence[RecordedStep],
    items: Mapping[int, Item],
    prompts: bool,
    summary: str,
) -> None:
    """Print the visits of a user: what she was shown, thought, did, felt and remembered.

    Args:
        user: Who she is.
        trial: In which arm, with which seed.
        steps: Her steps, in order.
        items: All items that occur in it.
        prompts: Whether to print every prompt and answer in full.
        summary: Her preference summary before the first of the steps.
    """
    out = console()
    profile = "".join(f" · {name} {value}" for name, value in user.profile.items())
    out.print(Text.assemble((clean(user.id), "bold"), clean(profile)))
    out.print(f"{clean(trial.arm)}, seed {trial.seed}", style="dim")
    if not steps:
        out.print("\nShe has not visited yet." if trial.rounds else "\nNo round is over yet.")
    for round, visit in groupby(steps, key=lambda step: step.round):
        title = f"── round {round + 1} "
        out.print(Text.assemble("\n", (title, "bold"), ("─" * (out.width - len(title)), "dim")))
        for step in visit:
            _print_step(out, step, items, summary, prompts)
            summary = step.summary
        if ending := _ENDINGS.get(step.feedback.ending, step.feedback.ending):
            out.print(f"\n  {clean(ending)}", style="dim")


def _print_step(
    out: Console,
    step: RecordedStep,
    items: Mapping[int, Item],
    before: str,
    prompts: bool,
) -> None:
    out.print()
    if step.observation.task == "feed":
        _print_page(out, step, items)
    else:
        _print_ranking(out, step, items)
    out.print()
    if step.decision.flaws:
        flaws = ", ".join(f"{kind} {count}" for kind, count in step.decision.flaws.items())
        out.print(f"  The answer was malformed: {clean(flaws)}", style="red")
    elif step.decision.repaired:
        out.print("  The answer needed a repair.", style="yellow")
    _print_thoughts(out, step, "fast", prompts)
    pause = "thought again: " if step.verdict.slow else "went on: "
    _print_text(out, "gate", Text(pause + clean(step.verdict.reason)))
    _print_thoughts(out, step, "slow", prompts)
    _print_changes(out, before, step.summary, None if prompts else _CHANGES)


def _print_page(out: Console, step: RecordedStep, items: Mapping[int, Item]) -> None:
    """Print a page of the feed: label, card, the rating she expected and the one she gave."""
    lived = {e.item: e for e in step.feedback.experiences}
    actions = {action.item: action for action in step.decision.actions}
    rows = []
    for place, item in enumerate(step.observation.slate):
        action, expected = actions.get(item), Text("skipped", "dim")
        if action is not None and action.watched:
            expected = Text("–" if action.rating is None else f"    {action.rating:g}")
        rows.append(_Row(label(place), items[item], expected, _stars(lived.get(item))))
    _print_items(out, rows, f"page {step.observation.page}", ("expected", "lived"))


def _print_ranking(out: Console, step: RecordedStep, items: Mapping[int, Item]) -> None:
    """Print the top of a ranking, the true choice, and the other experiences."""
    ranking, target, shown = step.decision.ranking, step.feedback.target, step.observation.slate
    lived = {e.item: e for e in step.feedback.experiences}
    rows = []
    for rank, item in enumerate(ranking, 1):
        if rank <= _TOP or item == target:
            place = f"{rank if rank <= step.decision.read else '–'} {label(shown.index(item))}"
            chosen = Text("chosen" if item == target else "", "bold")
            rows.append(_Row(place, items[item], chosen, _stars(lived.get(item))))
    rows += [
        _Row("", items[item], Text("also", "dim"), _stars(experience))
        for item, experience in lived.items()
        if item != target
    ]
    _print_items(out, rows, f"top of {len(ranking)}", ("", "lived"))


class _Row(NamedTuple):
    place: str
    item: Item
    did: Text
    lived: Text


def _print_items(out: Console, rows: Sequence[_Row], head: str, heads: tuple[str, str]) -> None:
    """Print items, a line each: the title gets what it needs, the attributes what is left."""
    if not rows:
        out.print(f"  {head}: nothing was shown", style="dim")
        return
    places = max(len(row.place) for row in rows)
    if any("≈" in row.lived.plain for row in rows):
        heads = (heads[0], f"{heads[1]}, ≈ by model")
    did = max(len(heads[0]), *(row.did.cell_len for row in rows))
    lived = max(len(heads[1]), *(row.lived.cell_len for row in rows))
    room = max(20, out.width - places - did - lived - 10)
    abouts = [_about(row.item) for row in rows]
    longest = max(map(cell_len, abouts))
    title = min(
        max(cell_len(head), *(cell_len(row.item.title) for row in rows)),
        max(room // 2, room - longest),
    )
    table = grid()
    for width in (places, title, min(longest, room - title), did, lived):
        table.add_column(width=width, no_wrap=True)
    table.add_row("", head, "", *heads, style="dim")
    for row, about in zip(rows, abouts, strict=True):
        card = one_line(row.item.title, title), one_line(about, max(1, room - title), "dim")
        table.add_row(Text(row.place, "dim", justify="right"), *card, row.did, row.lived)
    out.print(Padding(table, (0, 0, 0, 2)))


def _about(item: Item) -> str:
    return " · ".join(", ".join(values) for values in item.attributes.values() if values)


def _stars(experience: Experience | None) -> Text:
    if experience is None:
        return Text("")
    full = max(0, min(5, round(experience.rating)))
    text = Text.assemble(("★" * full, "yellow"), ("☆" * (5 - full), "dim"))
    return text if experience.source != "model" else Text.assemble(text, (" ≈", "dim"))


def _print_thoughts(out: Console, step: RecordedStep, node: Node, prompts: bool) -> None:
    for turn in step.turns:
        if turn.node != node:
            continue
        name = f"{node} again" if turn.attempt else node
        if prompts:
            for role, text in (*turn.messages, ("answer", turn.completion)):
                out.print(f"  {name}: {role}\n", style="bold")
                # As it was sent: its own lines, and no others.
                out.print(indent(clean(text), "    ") + "\n", soft_wrap=True)
        else:
            _print_text(out, name, Text(clean(_thought(turn)), "italic"))
        if turn.error:
            _print_text(out, "parser", Text(clean(turn.error), "red"))


def _thought(turn: Turn) -> str:
    """Return the first lines of an answer's reasoning, or of the answer where it has none."""
    reasoning = thought(turn.completion)
    text = reasoning if reasoning.strip() else turn.completion
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > _LINES:
        lines[_LINES - 1 :] = [f"… {len(lines) - _LINES + 1} more lines (--prompts)"]
    return "\n".join(lines)


def _print_changes(out: Console, before: str, after: str, most: int | None) -> None:
    """Print what was added to the preference summary, and what was taken out."""
    changes = [
        Text(clean(line), "green" if line[0] == "+" else "red")
        for line in difflib.ndiff(_phrases(before), _phrases(after))
        if line[0] in "+-"
    ]
    if not changes:
        return
    if most is not None and len(changes) > most:
        changes[most - 1 :] = [Text(f"… {len(changes) - most + 1} more (--prompts)", "dim")]
    _print_text(out, "memory", Columns(changes, padding=(0, 2), column_first=True))


def _phrases(summary: str) -> list[str]:
    return [line.strip() for line in summary.splitlines() if line.strip()]


def _print_text(out: Console, name: str, text: RenderableType) -> None:
    """Print a text beside the word that says what it is."""
    table = grid()
    table.add_column(min_width=10, no_wrap=True)
    table.add_column()
    table.add_row(Text(name, "bold"), text)
    out.print(Padding(table, (0, 0, 0, 2)))


def trace_as_json(
    user: User, trial: RecordedTrial, steps: Sequence[RecordedStep], items: Mapping[int, Item]
) -> dict[str, Any]:
    """Return the trace of a user as JSON values; items are named by their ids in the dataset."""

    def lived(experience: Experience) -> dict[str, Any]:
        return {
            "item": items[experience.item].id,
            "title": items[experience.item].title,
            "rating": experience.rating,
            "source": experience.source,
        }

    return {
        "user": user.id,
        "profile": dict(user.profile),
        "arm": trial.arm,
        "seed": trial.seed,
        "steps": [
            {
                "round": step.round + 1,
                "page": step.observation.page,
                "task": step.observation.task,
                "shown": [
                    {"item": items[row].id, "title": items[row].title}
                    for row in step.observation.slate
                ],
                "ranking": [items[row].id for row in step.decision.ranking],
                "read": step.decision.read,
                "actions": [
                    {"item": items[a.item].id, "watched": a.watched, "rating": a.rating}
                    for a in step.decision.actions
                ],
                "leave": step.decision.leave,
                "flaws": dict(step.decision.flaws),
                "repaired": step.decision.repaired,
                "target": None if step.feedback.target is None else items[step.feedback.target].id,
                "experiences": [lived(e) for e in step.feedback.experiences],
                "reward": dict(step.feedback.reward),
                "ending": step.feedback.ending,
                "slow": step.verdict.slow,
                "reason": step.verdict.reason,
                "summary": step.summary,
                "turns": [_turn_as_json(turn) for turn in step.turns],
            }
            for step in steps
        ],
    }


def _turn_as_json(turn: Turn) -> dict[str, Any]:
    return {
        "node": turn.node,
        "attempt": turn.attempt,
        "policy": turn.policy,
        "messages": [{"role": role, "content": text} for role, text in turn.messages],
        "completion": turn.completion,
        "tokens_in": turn.tokens_in,
        "tokens_out": turn.tokens_out,
        "latency_s": turn.latency_s,
        "error": turn.error,
    }
