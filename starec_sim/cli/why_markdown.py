"""One step of a user as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starec_sim.cli.as_markdown import markdown_code, markdown_table, markdown_text
from starec_sim.cli.trace_view import SET_BY_SCHEDULE, about, flaws_text, outcome_text
from starec_sim.cli.why_view import (
    also_lived_text,
    ending_text,
    gained_text,
    group_heads,
    group_rows,
    group_title,
    neighbours,
    reward_text,
    slate_cell,
    slate_columns,
    so_far_text,
)
from starec_sim.traces.step_page import StepPage, TurnPage
from starec_sim.traces.values import ExperienceRef
from starec_sim.visible_text import visible

if TYPE_CHECKING:
    from starec_sim.traces.training_view import Group

_SIGNS = {"added": "+", "removed": "-", "kept": " "}


def step_as_markdown(folder: Path, page: StepPage, groups: Sequence[Group], prompts: bool) -> str:
    """Return the page of a step.

    Args:
        folder: The run.
        page: The page.
        groups: In a training, the groups that hold the answers of the step.
        prompts: Whether to write every prompt and answer in full.
    """
    at = page.at
    title = f"{at.user}, round {at.round}, step {at.step} ({at.arm}, seed {at.seed})"
    parts = [f"# {markdown_text(title)}"]
    if page.profile:
        parts.append(markdown_table(["trait", "value"], page.profile.items()))
    parts += ["## What she remembered", f"So far {so_far_text(page)}."]
    if page.memory_before.summary:
        parts.append(_block(page.memory_before.summary))
    if page.memory_before.edited:
        parts.append(f"The summary was {SET_BY_SCHEDULE}.")
    if page.memory_before.shown:
        parts.append("In the prompt:\n\n" + _list(page.memory_before.shown))
    if page.recalled:
        recalled = ((each.item.title, f"{each.score:.3f}") for each in page.recalled)
        parts.append(markdown_table(["recalled", "similarity to the slate"], recalled))
    parts += ["## What she was shown", _slate(page)]
    if page.slate_set:
        parts.append("The slate was set by the schedule.")
    if others := also_lived_text(page):
        parts.append(f"Also lived: {markdown_text(others)}")
    parts += ["## What she thought"]
    if said := flaws_text(page.flaws, page.repaired):
        parts.append(markdown_text(said))
    parts += [part for turn in page.turns for part in _turn(turn, prompts)]
    gate = "thought again" if page.slow else "went on"
    parts.append(f"Gate: {gate}: {markdown_text(page.reason)}")
    if any(change.op != "kept" for change in page.changes):
        lines = (f"{_SIGNS[change.op]} {change.text}" for change in page.changes)
        parts += ["## What changed in memory", _block("\n".join(lines), "diff")]
    if gained := gained_text(page):
        parts.append(f"Gained: {gained}")
    parts.append(markdown_text(ending_text(page)))
    parts += ["## What it earned", markdown_text(reward_text(page))]
    for group in groups:
        parts += [
            f"## {group_title(group)}",
            markdown_table(
                group_heads(group), ((*row[:4], row[4][:200]) for row in group_rows(group))
            ),
        ]
    if commands := neighbours(folder, page):
        parts.append("\n".join(f"- {name}: {markdown_code(command)}" for name, command in commands))
    return "\n\n".join(parts)


def _slate(page: StepPage) -> str:
    columns = slate_columns(page)
    chosen = ["chosen in the data"] if page.offered.ranks else []
    attributes = ["attributes"] if any(place.item.attributes for place in page.slate) else []
    heads = ["", "item", "title", *attributes, *columns, *chosen, "lived"]
    lived = {each.item.id: each for each in page.experiences}
    rows = (
        (
            place.label,
            place.item.id,
            place.item.title,
            *(about(place.item) for _ in attributes),
            *(slate_cell(place, column) for column in columns),
            *("yes" if place.target else None for _ in chosen),
            _outcome(lived.get(place.item.id)),
        )
        for place in page.slate
    )
    return markdown_table(heads, rows)


def _outcome(experience: ExperienceRef | None) -> str | None:
    if experience is None:
        return None
    predicted = " (by a model)" if experience.source == "model" else ""
    return outcome_text(experience) + predicted


def _turn(turn: TurnPage, prompts: bool) -> Iterator[str]:
    again = " (repair)" if turn.attempt else ""
    yield f"**{turn.node}{again}**, {markdown_text(turn.policy)}"
    if prompts:
        for role, text in turn.messages:
            yield f"{markdown_text(role)}:\n\n{_block(text)}"
    yield _block(turn.completion if prompts else turn.reasoning or turn.completion)
    if turn.failure:
        yield f"Failed: {markdown_text(turn.failure)}"
    if turn.error:
        yield f"Parser: {markdown_text(turn.error)}"


def _block(text: str, language: str = "") -> str:
    """Return a fenced block, whose fence is longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_text(line)}" for line in lines)
