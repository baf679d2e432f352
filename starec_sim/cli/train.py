"""`starec train`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import AsJson, Changes, ExperimentFile, OtherData
from starec_sim.cli.run import read_experiment, unfinished_told

if TYPE_CHECKING:
    from starec_sim.learning.launch import Result
    from starec_sim.learning.training import Follower


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

    For example: starec train experiments/06_bigger_models/qwen2.5-0.5b.yaml --dry-run

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
    from starec_sim.learning import launch

    return finish(lambda follower: launch.start(loaded, follower), as_json)


def finish(execute: Callable[[Follower], Result], as_json: bool) -> dict[str, Any] | None:
    """Execute with a live display, then show what came of it."""
    from starec_sim.cli.lessons import Lessons

    display = Lessons()
    with unfinished_told(display), display:
        result = execute(display)
    if as_json:
        return result.as_json()
    display.say_what_is_next(result)
    return None


def _need_packages() -> None:
    """Say which extra is missing, before anything else does."""
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
            hint="pip install 'starec-sim[train]'",
        )
