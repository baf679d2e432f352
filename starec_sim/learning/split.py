"""The world in which a policy is trained: who trains, who is kept for examination, who visits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from starec_sim import plugins
from starec_sim.agent import OpenAgent
from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError, ContractError
from starec_sim.experiment import Experiment
from starec_sim.learning.config import Training
from starec_sim.rng import Streams
from starec_sim.types import Visit


class RestrictedUsers:
    """A world in which only some of its users visit; all else is as it is.

    Args:
        environment: The world.
        ids: Who may visit.
        ended: Is told a round and its visits before the round is committed.
    """

    def __init__(
        self,
        environment: Environment,
        ids: frozenset[str],
        ended: Callable[[int, Sequence[Visit]], None] = lambda round, visits: None,
    ) -> None:
        self._environment = environment
        self._rows = frozenset(row for row, user in enumerate(environment.users) if user.id in ids)
        self._ended = ended
        self._round = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._environment, name)

    def begin_round(self, round: int) -> Sequence[int]:
        """Begin the round, and return those of its visitors who may visit."""
        self._round = round
        return [row for row in self._environment.begin_round(round) if row in self._rows]

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Tell of the visits, then apply them."""
        self._ended(self._round, visits)
        return self._environment.end_round(visits)


class UserSplit:
    """Everything of an experiment that is not a policy: data, agent, worlds, who is in them.

    Raises:
        StarecError: Something of it cannot be built.
    """

    def __init__(self, experiment: Experiment, training: Training) -> None:
        self._experiment = experiment
        self._training = training
        self._dataset: Dataset | None = None
        if experiment.data is not None:
            found, config = plugins.configure("datasets", experiment.data, "data")
            self._dataset = found(config).load()
        found, config = plugins.configure("agents", experiment.agent, "agent")
        self.agent: OpenAgent = found(config)
        lacking = [
            name
            for name in ("question", "decision", "summary", "rethink")
            if not callable(getattr(self.agent, name, None))
        ]
        if lacking:
            raise ContractError(
                f"the agent {experiment.agent['use']} has no {', '.join(lacking)}, which learning "
                "needs",
                hint="implement starec_sim.agent.OpenAgent",
            )
        ids = sorted(user.id for user in self.world(experiment.seed).users)
        order = Streams(experiment.seed).stream("held out users").permutation(len(ids))
        held = round(training.evaluate.share * len(ids))
        self.held_out = [ids[place] for place in order[:held]]
        """Users who are never trained on."""
        self.training = [ids[place] for place in order[held:]]
        if training.evaluate.users and not self.held_out:
            raise ConfigError(
                f"train.evaluate.share: {training.evaluate.share} of {len(ids)} users is nobody",
                hint="raise it, or set train.evaluate.users to 0",
            )

    def world(self, seed: int) -> Environment:
        """Return a fresh world; each seed has other chances."""
        found, config = plugins.configure(
            "environments", self._experiment.environment, "environment"
        )
        environment: Environment = found(config, self._dataset, Streams(seed))
        return environment

    def drawn(self, count: int, life: int, purpose: str = "training users") -> frozenset[str]:
        """Return so many of the training users, others in each life."""
        rng = Streams(self._experiment.seed).stream(purpose, round=life)
        order = rng.permutation(len(self.training))[:count]
        return frozenset(self.training[place] for place in order)

    def examined(self) -> frozenset[str]:
        """Return the users of every examination: the same each time, so that it can be paired."""
        return frozenset(self.held_out[: self._training.evaluate.users])

    def phrases(self) -> list[str]:
        """Return what prompts will be made of, for the record's compression."""
        items = self._dataset.items if self._dataset is not None else ()
        return [*map(card, items), *self.agent.prompts().values()]


def batches(count: int, size: int, streams: Streams, purpose: str, epoch: int) -> list[list[int]]:
    """Return places 0 to count - 1 in keyed random order, cut into batches."""
    order = streams.stream(purpose, round=epoch).permutation(count)
    return [order[start : start + size].tolist() for start in range(0, count, size)]


def mean(values: Sequence[float]) -> float:
    """Return the mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")
