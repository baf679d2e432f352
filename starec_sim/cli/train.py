"""`starec train`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    Changes,
    ExperimentFile,
    OtherData,
    Trust,
    read_experiment,
)


def train(
    experiment: ExperimentFile,
    changes: Changes = None,
    data: OtherData = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print what it would take (steps, tokens, memory) and stop."
        ),
    ] = False,
    trust: Trust = False,
    as_json: AsJson = False,
) -> Answer:
    """Train the policy that plays the users: imitate a teacher (SFT), learn from rewards (GRPO).

    For example: starec train experiments/00_demo --dry-run

    Several processes or GPUs: torchrun --nproc_per_node 4 -m starec_sim train EXPERIMENT
    """
    from starec_sim.learning.keys_of_runs import check_has_training, check_keys_of_runs

    loaded = read_experiment(experiment, changes, data, trust=trust)
    check_has_training(loaded)
    check_keys_of_runs(loaded)
    _need_packages()
    if "torch" not in sys.modules and os.environ.get("RANK", "0") == "0":
        print("Loading torch and transformers ...", file=sys.stderr, flush=True)
    if dry_run:
        from starec_sim.learning.plan import plan_of

        plan = plan_of(loaded)
        if as_json:
            return plan.as_json()
        print(plan)
        return None
    from starec_sim.cli.train_result import finish_training
    from starec_sim.learning import train as training

    return finish_training(lambda events: training.train(loaded, events), as_json)


def _need_packages() -> None:
    """Check that the packages for training are installed.

    Raises:
        PluginError: Some are missing; the message names them.
    """
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
