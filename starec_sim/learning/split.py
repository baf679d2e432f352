"""The world in which a policy is trained: who trains, who is kept for examination, who visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import get_protocol_members

from starec_sim.agent import OpenAgent
from starec_sim.build import build_agent, build_environment, load_dataset
from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError, ContractError
from starec_sim.experiment import Experiment
from starec_sim.learning.config import Training
from starec_sim.rng import Streams
from starec_sim.simulation import ChooseVisitors


def only(environment: Environment, ids: frozenset[str]) -> ChooseVisitors:
    """Return what lets only users with these ids visit an environment."""
    rows = frozenset(row for row, user in enumerate(environment.users) if user.id in ids)
    return lambda round, visitors: [user for user in visitors if user in rows]


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
            self._dataset = load_dataset(experiment.data)
        agent = build_agent(experiment.agent)
        if not isinstance(agent, OpenAgent):
            lacking = sorted(get_protocol_members(OpenAgent) - {*dir(agent)})
            raise ContractError(
                f"the agent {experiment.agent['use']} has no {', '.join(lacking)}, which learning "
                "needs",
                hint="implement starec_sim.agent.OpenAgent",
            )
        self.agent: OpenAgent = agent
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
        return build_environment(self._experiment.environment, self._dataset, seed)

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
