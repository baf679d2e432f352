"""The users of a training: who is trained on, who is held out, who visits an episode."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from starec_sim.agent import open_agent
from starec_sim.build import Builder
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError
from starec_sim.experiment import Arm
from starec_sim.learning.config import FromFeedback, Training
from starec_sim.rng import Streams
from starec_sim.simulation import ChooseVisitors


def only(environment: Environment, ids: frozenset[str]) -> ChooseVisitors:
    """Return a filter of visitors that keeps the users with these ids, see `Simulation`."""
    kept = frozenset(row for row, user in enumerate(environment.users) if user.id in ids)
    return lambda round, visitors: [user for user in visitors if user in kept]


class UserSplit:
    """The users of an environment, split into those who are trained on and those who never are.

    Args:
        builder: Builds dataset, environment and agent.
        arm: The experiment of the training, whose only arm it is.
        training: Says how many users are held out.

    Raises:
        StarecError: A part cannot be built, or no user would be held out.
    """

    def __init__(self, builder: Builder, arm: Arm, training: Training) -> None:
        self._builder = builder
        self._arm = arm
        self._training = training
        self.seed = arm.experiment.seed
        agent = builder.agent(arm)
        self.agent = open_agent(agent, arm.experiment.agent["use"], "learning needs")
        """Plays the users, and can be asked for single answers."""
        ids = sorted(user.id for user in self.environment(self.seed).users)
        order = Streams(self.seed).stream("held out users").permutation(len(ids))
        held = round(training.evaluate.share * len(ids))
        self.held_out = [ids[index] for index in order[:held]]
        """Ids of the users who are never trained on."""
        self.training = [ids[index] for index in order[held:]]
        if training.evaluate.users and not self.held_out:
            raise ConfigError(
                f"train.evaluate.share: {training.evaluate.share} of {len(ids)} users is no user",
                hint="raise it, or set train.evaluate.users to 0",
            )

    def environment(self, seed: int) -> Environment:
        """Return a new environment; another seed gives other random numbers."""
        return self._builder.environment(self._arm, seed)

    def dataset(self) -> Dataset | None:
        """Return the dataset; None where the environment brings its own users."""
        return self._builder.dataset(self._arm)

    def people(self) -> tuple[float, ...]:
        """Return the shares of one to five stars among all ratings in the data; () without any.

        Half a star counts as one.
        """
        dataset = self.dataset()
        ratings = np.zeros(0) if dataset is None else dataset.log.ratings
        whole = np.rint(ratings[~np.isnan(ratings)]).clip(1, 5).astype(np.int64)
        if not len(whole):
            return ()
        return tuple((np.bincount(whole - 1, minlength=5) / len(whole)).tolist())

    def drawn(self, count: int, episode: int, purpose: str = "training users") -> frozenset[str]:
        """Return the ids of `count` training users, other ones in each episode."""
        rng = Streams(self.seed).stream(purpose, round=episode)
        order = rng.permutation(len(self.training))[:count]
        return frozenset(self.training[index] for index in order)

    def validated(self) -> frozenset[str]:
        """Return the ids of the users of every validation: the same ones, so that it is paired."""
        return frozenset(self.held_out[: self._training.evaluate.users])


def batches(count: int, size: int, streams: Streams, purpose: str, epoch: int) -> list[list[int]]:
    """Return 0 to count - 1 in keyed random order, cut into batches of `size`."""
    order = streams.stream(purpose, round=epoch).permutation(count)
    return [order[start : start + size].tolist() for start in range(0, count, size)]


def group_batches(
    groups: Collection[str], stage: FromFeedback, step: int, streams: Streams
) -> Iterator[list[str]]:
    """Yield the groups of each update of a step: `passes` times over all, in keyed random order.

    Args:
        groups: The names of the groups of a round, each once.
        stage: The settings.
        step: The step, from 0.
        streams: The order is drawn from them.
    """
    names = sorted(groups)
    size = stage.batch or max(1, len(names))
    for epoch in range(step * stage.passes, (step + 1) * stage.passes):
        for indices in batches(len(names), size, streams, f"{stage.name} batches", epoch):
            yield [names[index] for index in indices]
