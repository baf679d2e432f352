"""Print the visits of one user, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import indent
from typing import NamedTuple, Protocol

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from starec_sim.answers import label, thought
from starec_sim.cli.tables import grid, one_line
from starec_sim.cli.visible_console import console
from starec_sim.runs.reader import RecordedStep, RecordedTrial
from starec_sim.tasks import FEED
from starec_sim.traces.edited_memory import SummaryBefore
from starec_sim.traces.step_page import Change, changes
from starec_sim.types import Item, Messages, Node, User, acts_by_item
from starec_sim.visible_text import visible

ENDINGS = {
    "left": "She left.",
    "tired": "She was tired and left.",
    "pages": "There were no more pages.",
    "done": "",
}
SET_BY_SCHEDULE = "set by the schedule, at the beginning of a round"
"""Said of a preference summary that no step wrote."""
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
    before: Sequence[SummaryBefore],
) -> None:
    """Print the visits of a user: slates, answers, actions, ratings and memory.

    Args:
        user: The user.
        trial: The trial.
        steps: Her steps, in order.
        items: All items in the steps, by row.
        prompts: Whether to print every prompt and answer in full.
        before: Her preference summary before each step.
    """
    out = console()
    print_user(out, user.id, user.profile, f"{trial.arm}, seed {trial.seed}")
    if not steps:
        out.print("\nShe has not visited yet." if trial.rounds else "\nNo round is over yet.")
    played = zip(steps, before, strict=True)
    for round, visit in groupby(played, key=lambda each: each[0].round):
        print_title(out, f"round {round + 1}")
        for step, memory in visit:
            _print_step(out, step, items, memory, prompts)
        print_ending(out, step.feedback.ending)


def _print_step(
    out: Console,
    step: RecordedStep,
    items: Mapping[int, Item],
    before: SummaryBefore,
    prompts: bool,
) -> None:
    out.print()
    if before.edited is not None:
        print_text(out, "memory", Text(SET_BY_SCHEDULE, "dim"))
        print_changes(out, changes(before.written, before.edited), prompts, "")
        out.print()
    if step.observation.task.ranks:
        _print_ranking(out, step, items)
    else:
        _print_page(out, step, items)
    out.print()
    print_flaws(out, step.decision.flaws, step.decision.repaired)
    print_answers(out, step.turns, "fast", prompts)
    print_gate(out, step.verdict.slow, step.verdict.reason)
    print_answers(out, step.turns, "slow", prompts)
    print_changes(out, changes(before.summary, step.summary), prompts)


def print_flaws(out: Console, flaws: Mapping[str, int], repaired: bool) -> None:
    """Print what was wrong with the answer of a step."""
    if said := flaws_text(flaws, repaired):
        out.print(f"  {visible(said)}", style="red" if flaws else "yellow")


def flaws_text(flaws: Mapping[str, int], repaired: bool) -> str:
    """Return what was wrong with the answer of a step; empty if nothing."""
    if flaws:
        listed = ", ".join(f"{kind} {count}" for kind, count in flaws.items())
        return f"The answer was malformed: {listed}"
    return "The answer needed a repair." if repaired else ""


def print_gate(out: Console, slow: bool, reason: str) -> None:
    """Print whether the gate asked the slow node, and why."""
    gate = "thought again: " if slow else "went on: "
    print_text(out, "gate", Text(gate + visible(reason)))


def print_ending(out: Console, ending: str) -> None:
    """Print why a visit ended."""
    if said := ENDINGS.get(ending, ending):
        out.print(f"\n  {visible(said)}", style="dim")


def print_title(out: Console, title: str) -> None:
    """Print a title with a line to the end of the row."""
    title = f"── {title} "
    out.print(Text.assemble("\n", (title, "bold"), ("─" * (out.width - len(title)), "dim")))


def print_user(out: Console, user: str, profile: Mapping[str, str], about: str) -> None:
    """Print who the user is, and where she is."""
    facts = "".join(f" · {name} {value}" for name, value in profile.items())
    out.print(Text.assemble((visible(user), "bold"), visible(facts)))
    out.print(visible(about), style="dim")


def _print_page(out: Console, step: RecordedStep, items: Mapping[int, Item]) -> None:
    """Print a page: label, item, what was done or expected, and the true rating."""
    experiences = {e.item: e for e in step.feedback.experiences}
    feed = step.observation.task == FEED
    acts = acts_by_item(step.observation.task, step.decision.actions)
    rows = []
    for place, item in enumerate(step.observation.slate):
        act, said = acts.get(item), Text("skipped", "dim")
        if act is not None and act.done and not feed:
            said = Text(visible(act.said))
        elif act is not None and act.done:
            said = Text("–" if act.stars is None else f"    {act.stars:g}")
        rows.append(Row(label(place), items[item], (said, stars(experiences.get(item)))))
    heads = ("expected" if feed else "did", "lived")
    print_items(out, rows, f"page {step.observation.page}", heads)


def _print_ranking(out: Console, step: RecordedStep, items: Mapping[int, Item]) -> None:
    """Print the first places of a ranking, the true choice, and the other experiences."""
    ranking, target, shown = step.decision.ranking, step.feedback.target, step.observation.slate
    experiences = {e.item: e for e in step.feedback.experiences}
    rows = []
    for rank, item in enumerate(ranking, 1):
        if rank <= _TOP or item == target:
            place = f"{rank if rank <= step.decision.read else '–'} {label(shown.index(item))}"
            chosen = Text("chosen" if item == target else "", "bold")
            rows.append(Row(place, items[item], (chosen, stars(experiences.get(item)))))
    rows += [
        Row("", items[item], (Text("also", "dim"), stars(experience)))
        for item, experience in experiences.items()
        if item != target
    ]
    print_items(out, rows, f"top of {len(ranking)}", ("", "lived"))


class Named(Protocol):
    """An item, or what a page says of it."""

    @property
    def title(self) -> str:
        """The title."""
        ...

    @property
    def attributes(self) -> Mapping[str, tuple[str, ...]]:
        """The attributes, with their values."""
        ...


class Rated(Protocol):
    """A true rating, or what a page says of it."""

    @property
    def rating(self) -> float | None:
        """Stars, 1.0 to 5.0; None in a world without stars."""
        ...

    @property
    def like(self) -> bool | None:
        """Whether she liked it, where there are no stars."""
        ...

    @property
    def source(self) -> str:
        """Where the rating comes from."""
        ...


class Row(NamedTuple):
    """One item of a page or a ranking, with the columns that are printed after it."""

    place: str
    item: Named
    cells: tuple[Text, ...]


def print_items(out: Console, rows: Sequence[Row], head: str, heads: Sequence[str]) -> None:
    """Print one line for each item; attributes are cut first if a line is too long.

    Args:
        out: Where to print.
        rows: The items, with as many cells as there are heads.
        head: The head of the column of titles.
        heads: The heads of the other columns.
    """
    if not rows:
        out.print(f"  {head}: nothing was shown", style="dim")
        return
    if any("≈" in row.cells[-1].plain for row in rows):
        heads = (*heads[:-1], f"{heads[-1]}, ≈ by model")
    places = max(len(row.place) for row in rows)
    widths = [
        max(len(name), *(row.cells[column].cell_len for row in rows))
        for column, name in enumerate(heads)
    ]
    room = max(20, out.width - places - sum(widths) - 2 * len(widths) - 6)
    abouts = [about(row.item) for row in rows]
    longest = max(map(cell_len, abouts))
    title = min(
        max(cell_len(head), *(cell_len(row.item.title) for row in rows)),
        max(room // 2, room - longest),
    )
    table = grid()
    for width in (places, title, min(longest, room - title), *widths):
        table.add_column(width=width, no_wrap=True)
    table.add_row("", head, "", *heads, style="dim")
    for row, text in zip(rows, abouts, strict=True):
        card = one_line(row.item.title, title), one_line(text, max(1, room - title), "dim")
        table.add_row(Text(row.place, "dim", justify="right"), *card, *row.cells)
    out.print(Padding(table, (0, 0, 0, 2)))


def about(item: Named) -> str:
    """Return the attributes of an item as text."""
    return " · ".join(", ".join(values) for values in item.attributes.values() if values)


def stars(experience: Rated | None) -> Text:
    """Return a true rating as stars, marked with ≈ if a model predicted it."""
    if experience is None:
        return Text("")
    if experience.rating is None:
        return Text(outcome_text(experience))
    full = max(0, min(5, round(experience.rating)))
    text = Text.assemble(("★" * full, "yellow"), ("☆" * (5 - full), "dim"))
    return text if experience.source != "model" else Text.assemble(text, (" ≈", "dim"))


def outcome_text(experience: Rated) -> str:
    """Return what an item turned out to be: its stars, or whether she liked it."""
    if experience.rating is not None:
        return f"{experience.rating:g}"
    return {True: "liked", False: "disliked", None: "–"}[experience.like]


class Answer(Protocol):
    """A call of a policy, or what a page says of it."""

    @property
    def node(self) -> Node:
        """Which node asked."""
        ...

    @property
    def attempt(self) -> int:
        """0 for the question, 1 for the repair."""
        ...

    @property
    def messages(self) -> Messages:
        """The question."""
        ...

    @property
    def completion(self) -> str:
        """The answer."""
        ...

    @property
    def failure(self) -> str:
        """Why there is no answer; empty if there is one."""
        ...

    @property
    def error(self) -> str:
        """What the parser says is wrong with the answer."""
        ...


def print_answers(out: Console, turns: Sequence[Answer], node: Node, prompts: bool) -> None:
    """Print the answers of a node, or with `prompts` the questions and answers in full."""
    for turn in turns:
        if turn.node != node:
            continue
        name = f"{node} again" if turn.attempt else node
        if prompts:
            for role, text in (*turn.messages, ("answer", turn.completion)):
                out.print(f"  {name}: {role}\n", style="bold")
                # Print the text with its own line breaks only.
                out.print(indent(visible(text), "    ") + "\n", soft_wrap=True)
        else:
            print_text(out, name, Text(visible(_reasoning(turn)), "italic"))
        if turn.failure:
            print_text(out, "failed", Text(visible(turn.failure), "red"))
        if turn.error:
            print_text(out, "parser", Text(visible(turn.error), "red"))


def _reasoning(turn: Answer) -> str:
    """Return the first lines of an answer's reasoning, or of the answer where it has none."""
    reasoning = thought(turn.completion)
    text = reasoning if reasoning.strip() else turn.completion
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > _LINES:
        lines[_LINES - 1 :] = [f"… {len(lines) - _LINES + 1} more lines (--prompts)"]
    return "\n".join(lines)


def print_changes(
    out: Console, found: Sequence[Change], prompts: bool, name: str = "memory"
) -> None:
    """Print the lines that were added to the preference summary, and those removed."""
    lines = [
        Text(
            f"{'+' if change.op == 'added' else '-'} {visible(change.text)}",
            "green" if change.op == "added" else "red",
        )
        for change in found
        if change.op != "kept"
    ]
    if not lines:
        return
    if not prompts and len(lines) > _CHANGES:
        lines[_CHANGES - 1 :] = [Text(f"… {len(lines) - _CHANGES + 1} more (--prompts)", "dim")]
    print_text(out, name, Columns(lines, padding=(0, 2), column_first=True))


def print_text(out: Console, name: str, text: RenderableType) -> None:
    """Print a text beside its name."""
    table = grid()
    table.add_column(min_width=10, no_wrap=True)
    table.add_column()
    table.add_row(Text(name, "bold"), text)
    out.print(Padding(table, (0, 0, 0, 2)))
