"""Print an interview, or write its answers as CSV or JSON values."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from starec_sim.cli.tables import grid, interval_text, number, one_line
from starec_sim.cli.text import runnable
from starec_sim.cli.visible_console import console
from starec_sim.interviews import AnswerFigure, Interview, InterviewAnswer, answer_figures
from starec_sim.runs.whole_file import whole_file
from starec_sim.traces.values import as_json

_TEXTS = 5
"""Answers in words that are printed of each question."""
_PROBLEMS = 3
"""Unread answers whose problems are printed."""
_COLUMNS = (
    *("arm", "seed", "round", "user", "question", "type", "value", "problem", "repaired"),
    *("policy", "version", "tokens", "cost_usd"),
)


def interview_as_json(found: Interview, by: str | None) -> dict[str, Any]:
    """Return an interview and its figures as JSON values."""
    figures = [
        {**as_json(figure), "interval": figure.interval._asdict()}
        for figure in answer_figures(found, by)
    ]
    return {**as_json(found.as_json()), "figures": figures}


def write_csv(found: Interview, file: Path) -> None:
    """Write a row for each answer, with the traits of the user.

    Raises:
        RunError: It cannot be written.
    """
    traits = sorted({trait for profile in found.profiles.values() for trait in profile})
    with whole_file(file) as out:
        writer = csv.writer(out)
        writer.writerow([*_COLUMNS, *(f"profile.{trait}" for trait in traits)])
        for answer in found.answers:
            values = [getattr(answer, name, found.round) for name in _COLUMNS]
            values[_COLUMNS.index("value")] = shown_value(answer.value)
            profile = found.profiles[answer.user]
            writer.writerow([*values, *(profile.get(trait, "") for trait in traits)])


def shown_value(value: object) -> str:
    """Return an answer as text.

    >>> shown_value(True), shown_value(4), shown_value(2.5), shown_value(None)
    ('yes', '4', '2.5', '')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.15g}"
    return "" if value is None else str(value)


def print_interview(found: Interview, figures: Sequence[AnswerFigure]) -> None:
    """Print the figures of each question, and some answers in words."""
    out = console()
    seeds = ", ".join(str(seed) for seed in sorted({a.seed for a in found.answers}))
    who = ", ".join(dict.fromkeys(answer.policy for answer in found.answers))
    out.print(f"{found.run}: {_people(found)}, seed {seeds}; answered by {who}", soft_wrap=True)
    for question in found.questions:
        answers = [answer for answer in found.answers if answer.question == question.label]
        out.print()
        out.print(one_line(question.ask, 10 * out.width, "bold"), soft_wrap=True)
        if question.text is not None:
            texts = [each for each in answers if each.value is not None]
            for answer in texts[:_TEXTS]:
                said = f"{_who(found, answer)}: {shown_value(answer.value)}"
                out.print(Text.assemble("  ", one_line(said, 20 * out.width)), soft_wrap=True)
            if len(texts) > _TEXTS:
                out.print(f"  … {len(texts) - _TEXTS:,} more", style="dim")
        else:
            out.print(
                _table([each for each in figures if each.question == question.label], out.width)
            )
        unread = [answer for answer in answers if answer.value is None]
        if unread:
            out.print(f"  not read: {len(unread):,} of {len(answers):,} answers", style="yellow")
        for answer in unread[:_PROBLEMS]:
            line = one_line(f"{_who(found, answer)}: {answer.problem}", 3 * out.width, "dim")
            out.print(Text.assemble("    ", line), soft_wrap=True)
    out.print("\n± half of the 95 % interval over users, [low, high] a lopsided one", style="dim")
    if found.stopped:
        out.print(
            f"Stopped: {found.stopped}. {found.not_asked:,} questions were not asked.",
            style="bold red",
        )
    if found.file is not None:
        out.print(f"All answers: {found.file}", soft_wrap=True)


def _people(found: Interview) -> str:
    count = len(found.profiles)
    when = f"after round {found.round}" if found.round else "before round 1"
    return f"{'1 user' if count == 1 else f'{count:,} users'} {when}"


def _who(found: Interview, answer: InterviewAnswer) -> str:
    """Return the user of an answer, with her arm where there are several."""
    several = len({each.arm for each in found.answers}) > 1
    return f"{answer.user} ({answer.arm})" if several else answer.user


def _table(figures: Sequence[AnswerFigure], width: int) -> Any:
    table = grid()
    several_arms = len({figure.arm for figure in figures}) > 1
    before = ""
    for figure in figures:
        where = [figure.arm] if several_arms or not figure.group else []
        group = ", ".join([*where, *([figure.group] if figure.group else [])])
        share, interval = figure.of != "mean", figure.interval
        if share and not math.isnan(interval.mean):
            value = Text(f"{interval.mean:.0%} [{interval.low:.0%}, {interval.high:.0%}]")
        else:
            value = Text.assemble((number(interval.mean), "bold"), interval_text(interval))
        name = group if group != before else ""
        of = one_line(figure.of, max(10, width // 3))
        shown = Text.assemble("  ", one_line(name, width // 3))
        table.add_row(shown, of, value, Text(f"n {interval.n}", "dim"))
        before = group
    return table


def print_kept(run: Path, kept: Sequence[Interview]) -> None:
    """Print which interviews are kept beside a run."""
    out = console()
    if not kept:
        out.print(f"No users of {run.name} have been asked yet.")
        ask = f'starec interview {run} "How satisfied are you with what you see?" --scale 1-5'
        out.print(f"  {runnable(ask)}", style="dim", soft_wrap=True)
        return
    for each in kept:
        when = f"{each.created[:16]}, {_people(each)}"
        out.print(Text.assemble(f"{each.file}: {when}"), soft_wrap=True)
        for question in each.questions:
            out.print(Text.assemble("  ", one_line(question.ask, out.width - 2)))
