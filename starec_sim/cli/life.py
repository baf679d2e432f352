"""One person's life in a run, as a page one enjoys reading."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from starec_sim.cli.tables import clean
from starec_sim.runs.reader import RecordedStep, Trial
from starec_sim.types import Experience, Item, Turn, User

_ENDINGS = {
    "left": "She left.",
    "tired": "She was tired and left.",
    "pages": "There were no more pages.",
    "done": "",
}
_LINES = 12
"""Lines of a thought that are shown without --prompts."""


def print_life(
    user: User,
    trial: Trial,
    steps: Sequence[RecordedStep],
    items: Mapping[int, Item],
    prompts: bool,
) -> None:
    """Print the visits of a user: what was shown, thought, done, felt and remembered."""
    console = Console(highlight=False, markup=False)
    profile = ", ".join(f"{name} {clean(value)}" for name, value in user.profile.items())
    console.print(Text(f"User {clean(user.id)}", "bold") + Text(f"   {profile}", "not bold"))
    console.print(f'in "{trial.arm}", seed {trial.seed}', style="dim")
    if not steps:
        console.print("\nShe has not visited yet." if trial.rounds else "\nNo round is over yet.")
    summary = ""
    for round, visit in groupby(steps, key=lambda step: step.round):
        console.print()
        console.print(Rule(Text(f"round {round + 1}", "bold"), align="left", style="dim"))
        for step in visit:
            _print_step(console, step, items, summary, prompts)
            summary = step.summary
        if ending := _ENDINGS.get(step.feedback.ending, step.feedback.ending):
            console.print(f"\n  {ending}", style="dim")


def _print_step(
    console: Console,
    step: RecordedStep,
    items: Mapping[int, Item],
    before: str,
    prompts: bool,
) -> None:
    if step.observation.task == "feed":
        console.print(f"\n  page {step.observation.page}", style="dim")
        console.print(Padding(_page(step, items), (0, 0, 0, 2)))
    else:
        console.print(Padding(_ranking(step, items), (1, 0, 0, 2)))
    if step.decision.flaws:
        flaws = ", ".join(f"{kind} {count}" for kind, count in step.decision.flaws.items())
        console.print(f"  The answer was malformed: {flaws}", style="red")
    elif step.decision.repaired:
        console.print("  The answer needed a repair", style="yellow")
    for turn in step.turns:
        _print_turn(console, turn, prompts)
    pause = "thought again: " if step.verdict.slow else "went on: "
    console.print(
        Text("  gate      ", "bold") + Text(pause + clean(step.verdict.reason), "not bold")
    )
    if step.summary != before:
        console.print(Text("  memory", "bold"))
        for line in difflib.ndiff(_phrases(before), _phrases(step.summary)):
            if line[0] in "+-":
                style = "green" if line[0] == "+" else "red"
                console.print(f"            {clean(line)}", style=style)


def _page(step: RecordedStep, items: Mapping[int, Item]) -> Table:
    lived = {e.item: e for e in step.feedback.experiences}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for action in step.decision.actions:
        did = Text("skipped", "dim")
        if action.watched:
            gave = f", expected {action.rating:g}" if action.rating is not None else ""
            did = Text(f"watched{gave}")
        table.add_row(*_card(items[action.item]), did, _stars(lived.get(action.item)))
    return table


def _ranking(step: RecordedStep, items: Mapping[int, Item]) -> Table:
    target = step.feedback.target
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    lived = {e.item: e for e in step.feedback.experiences}
    count = len(step.decision.ranking)
    for rank, item in enumerate(step.decision.ranking, 1):
        if rank > 5 and item != target:
            continue
        place = f"{rank}" if rank <= step.decision.read else "–"
        chosen = Text("<- chosen", "bold") if item == target else Text("")
        table.add_row(f"{place:>3}", *_card(items[item]), chosen, _stars(lived.get(item)))
    table.add_row("", Text(f"of {count} candidates", "dim"), "", "", "")
    for item, experience in lived.items():
        if item != target:
            table.add_row("", *_card(items[item]), Text("meanwhile", "dim"), _stars(experience))
    return table


def _card(item: Item) -> tuple[Text, Text]:
    about = " · ".join(", ".join(values) for values in item.attributes.values() if values)
    return Text(clean(item.title)[:48]), Text(clean(about)[:60], "dim")


def _stars(experience: Experience | None) -> Text:
    if experience is None:
        return Text("")
    full = round(experience.rating)
    text = Text("★" * full, "yellow") + Text("☆" * (5 - full), "dim")
    return text if experience.source != "model" else text + Text(" (model)", "dim")


def _print_turn(console: Console, turn: Turn, prompts: bool) -> None:
    if prompts:
        for role, text in turn.messages:
            console.print(Text(f"  {role} -> {turn.policy} ({turn.node})", "bold cyan"))
            console.print(Padding(Text(clean(text)), (0, 0, 0, 4)))
        console.print(Text(f"  {turn.policy} ->", "bold cyan"))
        console.print(Padding(Text(clean(turn.completion)), (0, 0, 0, 4)))
    else:
        thought = re.search(r"<think>(.*?)</think>", turn.completion, re.DOTALL)
        lines = [line for line in (thought[1] if thought else "").splitlines() if line.strip()]
        more = [f"... {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
        for number, line in enumerate(lines[:_LINES] + more):
            head = f"  {turn.node + ' thought' if not number else '':<12}"
            console.print(Text(f"{head:<16}", "bold") + Text(clean(line), "not bold italic"))
    if turn.error:
        console.print(f"  parser: {clean(turn.error)}", style="red")


def _phrases(summary: str) -> list[str]:
    return [line.strip() for line in summary.splitlines() if line.strip()]


def life_as_json(
    user: User, trial: Trial, steps: Sequence[RecordedStep], items: Mapping[int, Item]
) -> dict[str, Any]:
    """Return the same as JSON values, items by their ids in the dataset."""

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
                "turns": [
                    {
                        "node": turn.node,
                        "attempt": turn.attempt,
                        "policy": turn.policy,
                        "messages": [{"role": r, "content": c} for r, c in turn.messages],
                        "completion": turn.completion,
                        "tokens_in": turn.tokens_in,
                        "tokens_out": turn.tokens_out,
                        "latency_s": turn.latency_s,
                        "error": turn.error,
                    }
                    for turn in step.turns
                ],
            }
            for step in steps
        ],
    }
