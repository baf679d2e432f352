"""Print one step of a user: from what she remembered to what was learned from her answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from starec_sim.cli.tables import grid, number, one_line
from starec_sim.cli.text import runnable
from starec_sim.cli.trace_view import (
    ENDINGS,
    SET_BY_SCHEDULE,
    Row,
    outcome_text,
    print_answers,
    print_changes,
    print_flaws,
    print_gate,
    print_items,
    print_text,
    print_title,
    print_user,
    stars,
)
from starec_sim.cli.visible_console import console
from starec_sim.tasks import FEED
from starec_sim.traces.commands import why_command
from starec_sim.traces.step_page import SlatePlace, StepPage
from starec_sim.visible_text import visible

if TYPE_CHECKING:
    from starec_sim.traces.training_view import Group, GroupMember

_LINES = 6
"""Lines of the summary, and experiences, that are shown at most without --prompts."""


def print_why(folder: Path, page: StepPage, groups: Sequence[Group], prompts: bool) -> None:
    """Print the page of a step.

    Args:
        folder: The run.
        page: The page.
        groups: In a training, the groups that hold the answers of the step.
        prompts: Whether to print every prompt and answer in full.
    """
    out, at = console(), page.at
    where = f"{at.arm}, seed {at.seed} · round {at.round}, step {at.step}"
    print_user(out, at.user, page.profile, where)
    print_title(out, "what she remembered")
    _print_memory(out, page, prompts)
    print_title(out, f"what she was shown: {_task(page)}")
    _print_slate(out, page)
    print_title(out, "what she thought")
    print_flaws(out, page.flaws, page.repaired)
    print_answers(out, page.turns, "fast", prompts)
    print_gate(out, page.slow, page.reason)
    print_answers(out, page.turns, "slow", prompts)
    print_changes(out, page.changes, prompts)
    if gained := gained_text(page):
        print_text(out, "gained", gained)
    print_text(out, "then", ending_text(page))
    print_title(out, "what it earned")
    print_text(out, "reward", reward_text(page))
    for group in groups:
        _print_group(out, group)
    _print_neighbours(out, folder, page)


def reward_text(page: StepPage) -> str:
    """Return the reward by component, weighted and summed in a training."""
    parts = [f"{visible(name)} {number(value)}" for name, value in page.reward.items()]
    if page.reward_weights:
        weights = (f"{weight:g} {visible(name)}" for name, weight in page.reward_weights.items())
        parts.append(f"a training sums {' + '.join(weights)}")
    return " · ".join(parts) or "the environment reports none"


def ending_text(page: StepPage) -> str:
    """Return whether she stayed or left, and how the visit ends."""
    stayed = "" if page.offered.ranks else "She left. " if page.leave else "She stayed. "
    if not page.ending:
        return f"{stayed}The visit goes on."
    said = "" if page.leave else ENDINGS.get(page.ending, page.ending)
    return visible(f"{stayed}The visit ends. {said}".strip())


def gained_text(page: StepPage) -> str:
    """Return what the step adds to memory besides the summary; empty if nothing."""
    count = len(page.experiences)
    if not count:
        return ""
    what = "1 experience" if count == 1 else f"{count} experiences"
    same = all(change.op == "kept" for change in page.changes)
    return f"{what}{'; the summary stays as it was' if same else ''}"


def so_far_text(page: StepPage) -> str:
    """Return how many steps she has played before this one, and what they revealed."""
    before = page.memory_before
    steps = "1 step" if before.steps == 1 else f"{before.steps} steps"
    gained = len(before.gained)
    found = "1 experience" if gained == 1 else f"{gained} experiences"
    return f"{steps} of this run, which revealed {found}"


def also_lived_text(page: StepPage) -> str:
    """Return what the step revealed of items that were not shown; empty if nothing."""
    shown = {place.item.id for place in page.slate}
    others = [each for each in page.experiences if each.item.id not in shown]
    return ", ".join(f"{each.item.title} {outcome_text(each)}" for each in others)


def group_title(group: Group) -> str:
    """Return the title of a group."""
    one, more = ("answer", "answers") if group.node == "fast" else ("summary", "summaries")
    if len(group.members) < 2:
        return f"1 {one} of step {group.step} of the training, alone, so nothing was learned"
    learned = "all equal, so nothing was learned" if group.zero_variance else "compared"
    return f"{len(group.members)} {more} of step {group.step} of the training, {learned}"


def group_heads(group: Group) -> tuple[str, str, str, str, str]:
    """Return the heads of the columns of a group."""
    return "", "reward", "advantage" if group.pairs is None else "pair", "components", "answer"


def group_rows(group: Group) -> list[tuple[str, str, str, str, str]]:
    """Return number, reward, what it taught, components and answer of each member of a group."""
    return [
        (
            str(member.number),
            number(member.reward),
            _taught(group, member),
            ", ".join(f"{name} {number(value)}" for name, value in member.components.items()),
            f"{member.tokens} tokens" if member.text is None else member.text,
        )
        for member in group.members
    ]


def _taught(group: Group, member: GroupMember) -> str:
    """Return the advantage of an answer; with DPO, its role in which pair."""
    if member.advantage is not None:
        return number(member.advantage, "+")
    for place, pair in enumerate(group.pairs or (), 1):
        if member.number in (pair.chosen, pair.rejected):
            role = "chosen" if member.number == pair.chosen else "rejected"
            return f"{place}: {role}, margin {number(pair.margin)}"
    return "in none"


def _likelier(group: Group, member: GroupMember) -> float:
    """Return a positive number for an answer that the training made likelier, else 0 or less."""
    if member.advantage is not None:
        return member.advantage
    pairs, own = group.pairs or (), member.number
    return float(sum((own == pair.chosen) - (own == pair.rejected) for pair in pairs))


def slate_columns(page: StepPage) -> tuple[str, ...]:
    """Return the heads of the columns that a slate has values for."""
    known = {
        "score": any(place.score is not None for place in page.slate),
        "truth": any(place.truth is not None for place in page.slate),
        "rank": page.offered.ranks,
        "expected": page.offered == FEED,
        "did": not page.offered.ranks and page.offered != FEED,
    }
    return tuple(name for name, has_values in known.items() if has_values)


def slate_cell(place: SlatePlace, column: str) -> str:
    """Return the text of one cell of a slate."""
    if column == "did":
        return visible(place.action or "–")
    if column == "expected":
        if not place.watched:
            return "skipped"
        return "watched" if place.expected is None else f"{place.expected:g}"
    value = {"score": place.score, "truth": place.truth, "rank": place.rank}[column]
    if value is None:
        return "–"
    return number(value) if column == "score" else f"{value:g}"


def _task(page: StepPage) -> str:
    what = f"{len(page.slate)} to rank" if page.offered.ranks else f"page {page.page}"
    return f"{what}, set by the schedule" if page.slate_set else what


def _print_memory(out: Console, page: StepPage, prompts: bool) -> None:
    before = page.memory_before
    print_text(out, "so far", so_far_text(page))
    summary = [line for line in before.summary.splitlines() if line.strip()]
    print_text(out, "summary", _lines(summary, prompts) or Text("none yet", "dim"))
    if before.edited:
        print_text(out, "", Text(SET_BY_SCHEDULE, "dim"))
    room = out.width - 16
    recalled = [f"{number(each.score)} {each.item.title}" for each in page.recalled or ()]
    if recalled:
        like = ["similarity to the slate, and what is recalled:", *recalled]
        print_text(out, "recalled", Text("\n").join(one_line(line, room) for line in like))
    shown = list(before.shown) if prompts else _latest(before.shown)
    lines = Text("\n").join(one_line(line, room) for line in shown)
    unrecorded = (turn.completion for turn in page.turns if not turn.recorded)
    none = next(unrecorded, "no experience")
    print_text(out, "in prompt", lines or Text(none, "dim"))


def _lines(lines: list[str], prompts: bool) -> Text:
    """Return the first lines of a text, with how many are left out."""
    if not prompts and len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"… {len(lines) - _LINES + 1} more (--prompts)"]
    return Text("\n".join(map(visible, lines)))


def _latest(lines: Sequence[str]) -> list[str]:
    """Return the last lines, with how many come before them."""
    if len(lines) <= _LINES:
        return list(lines)
    return [f"… {len(lines) - _LINES + 1} more (--prompts)", *lines[1 - _LINES :]]


def _print_slate(out: Console, page: StepPage) -> None:
    columns = slate_columns(page)
    lived = {each.item.id: each for each in page.experiences}
    rows = []
    for place in page.slate:
        cells = [Text(slate_cell(place, column), justify="right") for column in columns]
        chosen = Text("chosen" if place.target else "", "bold")
        marks = [chosen] if page.offered.ranks else []
        rows.append(Row(place.label, place.item, (*cells, *marks, stars(lived.get(place.item.id)))))
    heads = (*columns, *([""] if page.offered.ranks else []), "lived")
    print_items(out, rows, "shown", heads)
    if others := also_lived_text(page):
        print_text(out, "also lived", visible(others))


def _print_group(out: Console, group: Group) -> None:
    print_title(out, group_title(group))
    table = grid()
    table.add_row(*group_heads(group)[:3], "", "", style="dim")
    width = max(20, out.width // 2)
    rows = zip(group.members, group_rows(group), strict=True)
    for member, (name, reward, taught, components, answer) in rows:
        likelier = 0.0 if group.zero_variance else _likelier(group, member)
        style = "green" if likelier > 0 else "red" if likelier < 0 else ""
        table.add_row(
            Text(name, "dim", justify="right"),
            reward,
            Text(taught, style),
            one_line(components, 40, "dim"),
            one_line(answer, width, "italic"),
        )
    out.print(Padding(table, (0, 0, 0, 2)))


def neighbours(folder: Path, page: StepPage) -> list[tuple[str, str]]:
    """Return the commands for the steps before and after, with these words."""
    places = (("before", page.previous), ("after", page.next))
    return [(name, why_command(folder, at)) for name, at in places if at is not None]


def _print_neighbours(out: Console, folder: Path, page: StepPage) -> None:
    for name, command in neighbours(folder, page):
        out.print(f"\n  {name}: {runnable(command)}", style="dim", soft_wrap=True, end="")
    out.print()
