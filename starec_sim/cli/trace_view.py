"""Print the visits of one user, step by step."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import indent
from typing import NamedTuple

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from starec_sim.answers import label, thought
from starec_sim.cli.tables import grid, one_line
from starec_sim.cli.visible_console import console
from starec_sim.runs.reader import RecordedStep, RecordedTrial
from starec_sim.types import Experience, Item, Node, Turn, User
from starec_sim.visible_text import visible

_ENDINGS = {
    "left": "She left.",
    "tired": "She was tired and left.",
    "pages": "There were no more pages.",
    "done": "",
}
_LINES = 12
"""Lines of an answer's reasoning that are shown at most without --prompts."""
_CHANGES = 12
"""Changes of the preference summary that are shown at most without --prompts."""
_TOP = 5
"""First places of a ranking that are shown."""


def print_trace(
    user: User,
    trial: RecordedTrial,
    steps: Sequence[RecordedStep],
    items: Mapping[int, Item],
    prompts: bool,
    summary: str,
) -> None:
    """Print the visits of a user: slates, answers, actions, ratings and memory.

    Args:
        user: The user.
        trial: The trial.
        steps: Her steps, in order.
        items: All items in the steps, by row.
        prompts: Whether to print every prompt and answer in full.
        summary: Her preference summary before the first step.
    """
    out = console()
    profile = "".join(f" · {name} {value}" for name, value in user.profile.items())
    out.print(Text.assemble((visible(user.id), "bold"), visible(profile)))
    out.print(f"{visible(trial.arm)}, seed {trial.seed}", style="dim")
    if not steps:
        out.print("\nShe has not visited yet." if trial.rounds else "\nNo round is over yet.")
    for round, visit in groupby(steps, key=lambda step: step.round):
        title = f"── round {round + 1} "
        out.print(Text.assemble("\n", (title, "bold"), ("─" * (out.width - len(title)), "dim")))
        for step in visit:
            _print_step(out, step, items, summary, prompts)
            summary = step.summary
        if ending := _ENDINGS.get(step.feedback.ending, step.feedback.ending):
            out.print(f"\n  {visible(ending)}", style="dim")


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
        out.print(f"  The answer was malformed: {visible(flaws)}", style="red")
    elif step.decision.repaired:
        out.print("  The answer needed a repair.", style="yellow")
    _print_answers(out, step, "fast", prompts)
    gate = "thought again: " if step.verdict.slow else "went on: "
    _print_text(out, "gate", Text(gate + visible(step.verdict.reason)))
    _print_answers(out, step, "slow", prompts)
    _print_changes(out, before, step.summary, None if prompts else _CHANGES)


def _print_page(out: Console, step: RecordedStep, items: Mapping[int, Item]) -> None:
    """Print a page of the feed: label, item, expected rating and true rating."""
    experiences = {e.item: e for e in step.feedback.experiences}
    actions = {action.item: action for action in step.decision.actions}
    rows = []
    for place, item in enumerate(step.observation.slate):
        action, expected = actions.get(item), Text("skipped", "dim")
        if action is not None and action.watched:
            expected = Text("–" if action.rating is None else f"    {action.rating:g}")
        rows.append(_Row(label(place), items[item], expected, _stars(experiences.get(item))))
    _print_items(out, rows, f"page {step.observation.page}", ("expected", "lived"))


def _print_ranking(out: Console, step: RecordedStep, items: Mapping[int, Item]) -> None:
    """Print the first places of a ranking, the true choice, and the other experiences."""
    ranking, target, shown = step.decision.ranking, step.feedback.target, step.observation.slate
    experiences = {e.item: e for e in step.feedback.experiences}
    rows = []
    for rank, item in enumerate(ranking, 1):
        if rank <= _TOP or item == target:
            place = f"{rank if rank <= step.decision.read else '–'} {label(shown.index(item))}"
            chosen = Text("chosen" if item == target else "", "bold")
            rows.append(_Row(place, items[item], chosen, _stars(experiences.get(item))))
    rows += [
        _Row("", items[item], Text("also", "dim"), _stars(experience))
        for item, experience in experiences.items()
        if item != target
    ]
    _print_items(out, rows, f"top of {len(ranking)}", ("", "lived"))


class _Row(NamedTuple):
    """One item of a page or a ranking, with the four columns that are printed."""

    place: str
    item: Item
    action: Text
    rating: Text


def _print_items(out: Console, rows: Sequence[_Row], head: str, heads: tuple[str, str]) -> None:
    """Print one line for each item; attributes are cut first if a line is too long."""
    if not rows:
        out.print(f"  {head}: nothing was shown", style="dim")
        return
    places = max(len(row.place) for row in rows)
    if any("≈" in row.rating.plain for row in rows):
        heads = (heads[0], f"{heads[1]}, ≈ by model")
    actions = max(len(heads[0]), *(row.action.cell_len for row in rows))
    ratings = max(len(heads[1]), *(row.rating.cell_len for row in rows))
    room = max(20, out.width - places - actions - ratings - 10)
    abouts = [_about(row.item) for row in rows]
    longest = max(map(cell_len, abouts))
    title = min(
        max(cell_len(head), *(cell_len(row.item.title) for row in rows)),
        max(room // 2, room - longest),
    )
    table = grid()
    for width in (places, title, min(longest, room - title), actions, ratings):
        table.add_column(width=width, no_wrap=True)
    table.add_row("", head, "", *heads, style="dim")
    for row, about in zip(rows, abouts, strict=True):
        card = one_line(row.item.title, title), one_line(about, max(1, room - title), "dim")
        table.add_row(Text(row.place, "dim", justify="right"), *card, row.action, row.rating)
    out.print(Padding(table, (0, 0, 0, 2)))


def _about(item: Item) -> str:
    """Return the attributes of an item as text."""
    return " · ".join(", ".join(values) for values in item.attributes.values() if values)


def _stars(experience: Experience | None) -> Text:
    """Return a true rating as stars, marked with ≈ if a model predicted it."""
    if experience is None:
        return Text("")
    full = max(0, min(5, round(experience.rating)))
    text = Text.assemble(("★" * full, "yellow"), ("☆" * (5 - full), "dim"))
    return text if experience.source != "model" else Text.assemble(text, (" ≈", "dim"))


def _print_answers(out: Console, step: RecordedStep, node: Node, prompts: bool) -> None:
    for turn in step.turns:
        if turn.node != node:
            continue
        name = f"{node} again" if turn.attempt else node
        if prompts:
            for role, text in (*turn.messages, ("answer", turn.completion)):
                out.print(f"  {name}: {role}\n", style="bold")
                # Print the text with its own line breaks only.
                out.print(indent(visible(text), "    ") + "\n", soft_wrap=True)
        else:
            _print_text(out, name, Text(visible(_reasoning(turn)), "italic"))
        if turn.error:
            _print_text(out, "parser", Text(visible(turn.error), "red"))


def _reasoning(turn: Turn) -> str:
    """Return the first lines of an answer's reasoning, or of the answer where it has none."""
    reasoning = thought(turn.completion)
    text = reasoning if reasoning.strip() else turn.completion
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > _LINES:
        lines[_LINES - 1 :] = [f"… {len(lines) - _LINES + 1} more lines (--prompts)"]
    return "\n".join(lines)


def _print_changes(out: Console, before: str, after: str, most: int | None) -> None:
    """Print the lines that were added to the preference summary, and those removed."""
    changes = [
        Text(visible(line), "green" if line[0] == "+" else "red")
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
    """Print a text beside its name."""
    table = grid()
    table.add_column(min_width=10, no_wrap=True)
    table.add_column()
    table.add_row(Text(name, "bold"), text)
    out.print(Padding(table, (0, 0, 0, 2)))
