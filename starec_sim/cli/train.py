"""`starec train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import AsJson, Changes, ExperimentFile, OtherData, read_experiment
from starec_sim.cli.unfinished import unfinished_told

if TYPE_CHECKING:
    from starec_sim.events import RunEvents
    from starec_sim.learning.train import TrainResult


_SHOWN = ("reward", "ndcg@1", "ndcg@10", "satisfaction", "click_through", "malformed")
"""Figures that tell of a training, as far as its world has them."""


def train(
    experiment: ExperimentFile,
    changes: Changes = None,
    data: OtherData = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what it would take (steps, tokens, memory) and stop."),
    ] = False,
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Train the policy that plays the users: imitate a teacher, then learn from what happens.

    For example: starec train experiments/00_demo --dry-run

    Several processes or GPUs: torchrun --nproc_per_node 4 -m starec_sim train EXPERIMENT
    """
    loaded = read_experiment(experiment, changes, data)
    _need_packages()
    if dry_run:
        from starec_sim.learning.plan import plan_of

        plan = plan_of(loaded)
        if as_json:
            return plan.as_json()
        print(plan)
        return None
    from starec_sim.learning import train as training

    return finish(lambda events: training.train(loaded, events), as_json)


def finish(execute: Callable[[RunEvents], TrainResult], as_json: bool) -> dict[str, Any] | None:
    """Execute with a live display, then show what came of it."""
    from starec_sim.cli.train_progress import TrainProgress

    display = TrainProgress()
    with unfinished_told(display), display:
        result = execute(display)
    if not display.talks:
        return None
    if as_json:
        return result.as_json()
    if result.changes is not None:
        print_changes(result.changes, result.steps[-1]["step"])
    display.say_what_is_next(result, _somebody(result))
    return None


def print_changes(changes: Mapping[str, Mapping[str, Any]], steps: int) -> None:
    """Print what a training changed for users it never trained on.

    Args:
        changes: See `starec_sim.learning.validation.changes`.
        steps: How many lie between before and after.
    """
    from rich.text import Text

    from starec_sim.cli.tables import console, grid, half_width, number, verdict
    from starec_sim.glossary import metric_info
    from starec_sim.metrics import Interval
    from starec_sim.report import ArmDifference

    def told(interval: Interval, style: str, sign: str = "") -> Text:
        return Text.assemble((number(interval.mean, sign), style), half_width(interval))

    out, table, users = console(), grid(), 0
    table.add_row("", "before", "after", "change", style="bold")
    for name in (name for name in _SHOWN if name in changes):
        found = changes[name]
        users = max(users, found["users"])
        before, after, change = (
            Interval(**found[when], n=found["users"]) for when in ("before", "after", "change")
        )
        if name == "malformed" and before.mean == after.mean == 0:
            continue
        word, style = verdict(ArmDifference(change, found["p"]), metric_info(name).better)
        cells = told(before, "bold"), told(after, "bold"), told(change, style, "+")
        table.add_row(metric_info(name).label, *cells, Text(word, style))
    out.print(
        f"\n{users} users never trained on, before and after {steps} steps of learning; ± half of "
        "the 95 % interval,\nof changes paired by user; unsure: it holds zero\n",
        soft_wrap=True,
    )
    out.print(table)


def _somebody(result: TrainResult) -> str | None:
    """Return the id of an examined user whose choices are worth reading, if anybody was."""
    from contextlib import closing

    from starec_sim.runs.reader import Reader

    if not result.validations:
        return None
    with closing(Reader(result.folder)) as reader:
        busiest = reader.busiest(reader.trial(result.validations[-1], None), 1)
    return busiest[0][0] if busiest else None


def _need_packages() -> None:
    """Say which packages are missing, before anything else does."""
    from importlib.util import find_spec

    from starec_sim.errors import PluginError

    missing = [
        name
        for name in ("torch", "transformers", "peft", "accelerate", "safetensors")
        if find_spec(name) is None
    ]
    if missing:
        raise PluginError(
            f"training needs packages that are not installed: {', '.join(missing)}",
            hint=f"pip install {' '.join(missing)}",
        )
