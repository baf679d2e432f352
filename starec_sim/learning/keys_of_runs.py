"""The key that a training needs, and those that change a run and nothing in a training.

Without torch, so that an experiment is refused before it is loaded.
"""

from __future__ import annotations

from starec_sim.errors import ConfigError
from starec_sim.experiment import Experiment


def check_has_training(experiment: Experiment) -> None:
    """Refuse an experiment without a training.

    Raises:
        ConfigError: It has no `train`.
    """
    if experiment.train is None:
        raise ConfigError(
            f'the experiment "{experiment.name}" has no `train`, so there is nothing to learn',
            hint="add `train: {grpo: {steps: 100}}`; docs/training.md lists the keys",
        )


def check_keys_of_runs(experiment: Experiment) -> None:
    """Refuse an experiment that sets a key of runs, which a training would not use.

    `executor` and `record` are not refused: they change no result (docs/scaling.md).

    Raises:
        ConfigError: Names the key.
    """
    if experiment.arms:
        raise ConfigError(
            "arms: a training has none",
            hint="train each variant by itself: starec train FILE --set train.KEY=VALUE",
        )
    if experiment.schedule:
        raise ConfigError(
            "schedule: a training has none", hint="leave it out: --set schedule=[] does that"
        )
    if experiment.population:
        raise ConfigError(
            "population: a training has users of one kind",
            hint="set population to {} and calibration to null: --set population={} does that",
        )
    if experiment.replicates != 1:
        raise ConfigError(
            f"replicates: {experiment.replicates}, and a training trains once",
            hint="train once with each seed: starec train FILE --set replicates=1 --set seed=1",
        )
    if experiment.plugin_errors != "stop":
        raise ConfigError(
            f"plugin_errors: {experiment.plugin_errors}, and a training stops when a plug-in fails",
            hint="leave it out: --set plugin_errors=stop does that",
        )
    if experiment.gateway.replay is not None:
        raise ConfigError(
            f"gateway.replay: {experiment.gateway.replay}, and a training asks its models itself",
            hint="leave it out: --set gateway.replay=null does that",
        )
