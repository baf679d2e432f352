"""Print how two runs differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from starec_sim.cli.as_markdown import markdown_code, markdown_table, markdown_text
from starec_sim.cli.tables import WORD_STYLES, grid, number, print_rows
from starec_sim.cli.text import runnable
from starec_sim.cli.visible_console import console
from starec_sim.glossary import eventful, metric_info
from starec_sim.traces.commands import why_command
from starec_sim.traces.compare import ChangedKey, Comparison, MetricDifference, SideInfo
from starec_sim.traces.first_difference import ComparedStep, Difference, Part
from starec_sim.traces.values import StepAddress
from starec_sim.visible_text import counted, visible, visible_line


def print_comparison(found: Comparison) -> None:
    """Print a comparison."""
    out = console()
    for letter, side in (("A", found.a), ("B", found.b)):
        name, *rest = _side(side)
        out.print(
            Text.assemble((f"{letter}  {name}", "bold"), f"  {', '.join(rest)}"), soft_wrap=True
        )
    for line in _notes(found):
        out.print(line, style="dim", soft_wrap=True)
    _print_keys(out, "configuration", found.configuration)
    _print_keys(out, "versions", found.versions)
    print_first(out, found)
    print_metrics(out, found)
    if found.steps:
        _print_steps(out, found.steps)


def comparison_as_markdown(found: Comparison) -> str:
    """Return a comparison as Markdown."""
    lines = [f"# {markdown_text(found.a.name)} and {markdown_text(found.b.name)}", ""]
    sides = [[letter, *_side(side)] for letter, side in (("A", found.a), ("B", found.b))]
    lines += [markdown_table(["", "run", "arm", "seeds", "size"], sides), ""]
    lines += [f"- {markdown_text(line)}" for line in _notes(found)]
    for title, keys in (("Configuration", found.configuration), ("Versions", found.versions)):
        lines += ["", f"## {title}", ""]
        changed = [[each.key, _value(each.a), _value(each.b)] for each in keys]
        lines.append(markdown_table(["key", "A", "B"], changed) if keys else "The same.")
    lines += ["", "## First difference", ""]
    first = found.first_difference
    lines.append(f"{markdown_text(_first(found))}.")
    if first is not None and found.common_users:
        for letter, text in (("A", first.a), ("B", first.b)):
            lines += ["", f"{letter}:", "", *(f"    {line}" for line in visible(text).splitlines())]
        lines += ["", *(f"- {markdown_code(command)}" for command in _commands(found, first))]
    lines += ["", "## Metrics", "", markdown_text(_means(found)), ""]
    rows = [
        [metric_info(m.metric).label, *_figures(m), str(m.users), m.word] for m in found.metrics
    ]
    heads = ["metric", "A", "B", "B − A", "95 % interval", "p", "users", ""]
    lines.append(markdown_table(heads, rows) if rows else "Both sides have no metric in common.")
    if found.steps:
        steps = [[s.at.seed, s.at.round, s.at.step, _parts(s)] for s in found.steps]
        lines += ["", f"## Steps of {markdown_text(found.steps[0].at.user)}", ""]
        lines.append(markdown_table(["seed", "round", "step", "differs in"], steps))
    return "\n".join(lines)


def _side(side: SideInfo) -> list[str]:
    seeds = ", ".join(map(str, side.seeds))
    size = ", ".join(
        counted(count, noun)
        for count, noun in ((side.rounds, "round"), (side.users, "user"), (side.items, "item"))
    )
    return [
        side.name,
        side.arm,
        f"seed {seeds}" if len(side.seeds) == 1 else f"seeds {seeds}",
        size,
    ]


def _notes(found: Comparison) -> list[str]:
    """Return what a reader has to know before reading figures."""
    notes = [f"{'the same world' if found.same_world else 'another world'}: {found.world}"]
    if any(a != b for a, b in found.seeds):
        pairs = ", ".join(f"{a} with {b}" for a, b in found.seeds)
        notes.append(f"no seed is the same: seed {pairs} are compared, so chance differs too")
    elif len(found.seeds) < max(len(found.a.seeds), len(found.b.seeds)):
        notes.append(f"compared: seeds {', '.join(str(a) for a, _ in found.seeds)}")
    arms_a, arms_b = ({side.arm, *side.other_arms} for side in (found.a, found.b))
    if not arms_a & arms_b:
        notes.append("no arm has the same name in both runs; --arm and --arm-b name those compared")
    others = list(dict.fromkeys([*found.a.other_arms, *found.b.other_arms]))
    others = [arm for arm in others if arm not in (found.a.arm, found.b.arm)]
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        notes.append(f"other arms (--arm, --arm-b): {', '.join(others[:5])}{more}")
    return notes


def _print_keys(out: Console, title: str, keys: Sequence[ChangedKey]) -> None:
    if not keys:
        out.print(f"\n{title}: the same", style="bold")
        return
    out.print(f"\n{title}", style="bold")
    rows = [[f"  {each.key}", _value(each.a), _value(each.b)] for each in keys]
    print_rows(out, [[Text(visible_line(cell)) for cell in row] for row in rows])


def _value(value: str | None) -> str:
    return "(not there)" if value is None else value


def print_first(out: Console, found: Comparison) -> None:
    """Print the first step in which two sides differ."""
    first = found.first_difference
    out.print(f"\n{_first(found)}", style="bold", soft_wrap=True)
    if first is None or not found.common_users:
        return
    for letter, text in (("A", first.a), ("B", first.b)):
        for number_, line in enumerate(text.splitlines() or ["(empty)"]):
            out.print(f"  {letter if number_ == 0 else ' '}  {line}", soft_wrap=True)
    for command in _commands(found, first):
        out.print(f"  {runnable(command)}", style="dim", soft_wrap=True)


def _first(found: Comparison) -> str:
    first = found.first_difference
    if first is None:
        return f"all steps of {counted(found.rounds, 'round')} are the same"
    at = first.at
    if not found.common_users:
        return (
            "no user is in both runs, so no step can be compared: compare runs of the same data, "
            "or arms of one run (starec diff RUN --arm A --arm-b B)"
        )
    seed_b = dict(found.seeds)[at.seed]
    seeds = f"seed {at.seed}" if seed_b == at.seed else f"seed {at.seed} of A and {seed_b} of B"
    where = f"round {at.round}, {at.user}, step {at.step}, {seeds}"
    return f"they part in {where}: {_of(first)}"


def _of(first: Difference) -> str:
    return f"{first.part} of {first.node}" if first.node else _said(first.part)


def _said(part: Part) -> str:
    return "only one side has this step" if part == "step" else part


def _commands(found: Comparison, first: Difference) -> list[str]:
    """Return the commands that show a step on the sides that have its user."""
    at = first.at
    at_b = StepAddress(found.b.arm, dict(found.seeds)[at.seed], at.user, at.round, at.step)
    sides = ((found.a, at, first.a_has_user), (found.b, at_b, first.b_has_user))
    return [why_command(Path(side.folder), at) for side, at, has_user in sides if has_user]


def print_metrics(out: Console, found: Comparison) -> None:
    """Print the metrics of two sides and their differences."""
    out.print(f"\n{_means(found)}", style="bold", soft_wrap=True)
    if not found.metrics:
        out.print("  Both sides have no metric in common.")
        return
    shown = eventful({metric.metric: [metric.a, metric.b] for metric in found.metrics})
    heads = ("", "A", "B", "B − A", "95 % interval", "p", "")
    rows = [[Text(head, "dim") for head in heads]]
    for metric in found.metrics:
        if metric.metric not in shown:
            continue
        style = WORD_STYLES.get(metric.word, "dim")
        figures = (Text(figure, style) for figure in _figures(metric))
        label = Text(f"  {metric_info(metric.metric).label}")
        rows.append([label, *figures, Text(metric.word, style)])
    print_rows(out, rows)
    zero = [m.label for m in found.metrics if m.metric not in shown and m.a == m.b == 0]
    if zero:
        out.print(f"  Always 0: {', '.join(zero)}.", style="dim", soft_wrap=True)
    for line in _of_fewer_users(metric for metric in found.metrics if metric.metric in shown):
        out.print(f"  {line}", style="dim", soft_wrap=True)


def _of_fewer_users(metrics: Iterable[MetricDifference]) -> list[str]:
    """Return a line on metrics that fewer users have: who never watched has no satisfaction."""
    labels: dict[int, list[str]] = defaultdict(list)
    for metric in metrics:
        if metric.by_user:
            labels[metric.users].append(metric_info(metric.metric).label)
    return [
        f"{', '.join(labels[users])}: {counted(users, 'user')}, who have a value on both sides"
        for users in sorted(labels)[:-1]
    ]


def _means(found: Comparison) -> str:
    if not found.common_users:
        return f"Means over {found.window}. B against A; no user is in both, so seeds are compared"
    users = max((metric.users for metric in found.metrics), default=0)
    return f"Means over {found.window}. B against A, the same {counted(users, 'user')}"


def _figures(metric: MetricDifference) -> list[str]:
    interval = "–"
    if metric.low is not None and metric.high is not None:
        interval = f"[{number(metric.low, '+')}, {number(metric.high, '+')}]"
    p = "–" if metric.p is None else number(metric.p)
    return [number(metric.a), number(metric.b), number(metric.difference, "+"), interval, p]


def _print_steps(out: Console, steps: Sequence[ComparedStep]) -> None:
    out.print(f"\nThe steps of {steps[0].at.user}", style="bold")
    table = grid()
    for (seed, round), of_round in groupby(steps, key=lambda s: (s.at.seed, s.at.round)):
        for step in of_round:
            where = f"  seed {seed}", f"round {round}", f"step {step.at.step}"
            table.add_row(*where, Text(_parts(step), "dim" if step.same else "bold"))
    out.print(table)


def _parts(step: ComparedStep) -> str:
    return "the same" if step.same else ", ".join(map(_said, step.parts))
