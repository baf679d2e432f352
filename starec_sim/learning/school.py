"""One step of GRPO, from the rollouts on disk to the next weights."""

from __future__ import annotations

from typing import Any

from starec_sim.errors import LearningError
from starec_sim.learning.checkpoints import CheckpointStore
from starec_sim.learning.config import Grpo, Training
from starec_sim.learning.grpo import Batch, lessons
from starec_sim.learning.learner import DivergenceError, Learner, Update
from starec_sim.learning.places import ranking_places
from starec_sim.learning.rewards import Rewards
from starec_sim.learning.rollouts import Collector
from starec_sim.learning.rows import Rollout
from starec_sim.learning.split import UserSplit, batches
from starec_sim.learning.step_metrics import Guard, step_figures
from starec_sim.rng import Streams


class School:
    """Learns from what was played.

    Args:
        grpo: How.
        training: What is watched on the way.
        stage: The world.
        streams: Of random numbers.
        learner: Whose weights learn.
        shelf: Where what was played is kept.
        rewards: What an answer earns.
        done: Steps that are learned already.
    """

    def __init__(
        self,
        grpo: Grpo,
        training: Training,
        stage: UserSplit,
        streams: Streams,
        learner: Learner,
        shelf: CheckpointStore,
        rewards: Rewards,
        done: int,
    ) -> None:
        self.grpo = grpo
        self.learner = learner
        self._stage = stage
        self._streams = streams
        self._shelf = shelf
        self._rewards = rewards
        self._guard = Guard(training.guards)
        self._places = ranking_places(learner.weights.tokenizer)
        self._good = str(shelf.version(f"{done:06d}"))
        """The last version with which a step went well."""

    def collector(self, life: int) -> Collector:
        """Return who plays the users of a life and collects rollouts on the way."""
        grpo = self.grpo
        collector = Collector(
            self._stage.agent, self._rewards, groups=grpo.groups, size=grpo.size, nodes=grpo.nodes
        )
        collector.prefix = f"{life}/"
        return collector

    def learn(self, step: int) -> dict[str, Any]:
        """Learn from what the step's round left, and return its figures.

        Raises:
            DivergenceError: The policy diverges; the last good version is named.
        """
        played = self._shelf.played(step)
        if played is None:
            raise LearningError(
                f"the rollouts of step {step + 1} are missing",
                hint="put the folder `rollouts` back as it was",
            )
        rollouts, grpo = played.rollouts, self.grpo
        groups = sorted({rollout.group for rollout in rollouts})
        made: list[Batch] = []
        updates: list[Update] = []
        for number in range(grpo.passes):
            epoch = step * grpo.passes + number
            size = grpo.batch or max(1, len(groups))
            for batch in batches(len(groups), size, self._streams, "grpo batches", epoch):
                chosen = {groups[place] for place in batch}
                self._update([r for r in rollouts if r.group in chosen], made, updates)
        self.learner.end_step()
        figures = {
            "stage": "grpo",
            "step": step + 1,
            # Summaries, which come first, were written by the version before.
            "version": rollouts[-1].version if rollouts else None,
            **step_figures(rollouts, made, updates),
        }
        self._guard.check(figures, len(rollouts), self._good)
        self._good = str(self._shelf.version(f"{step:06d}"))
        return figures

    def _update(self, rollouts: list[Rollout], made: list[Batch], updates: list[Update]) -> None:
        objective = self.grpo.objective
        places = self._places if objective.credit == "position" else None
        found = lessons(rollouts, objective, places)
        made.append(found)
        if not found.lessons:
            return
        try:
            updates.append(self.learner.improve(found.lessons, objective, rollouts[0].temperature))
        except DivergenceError as error:
            raise DivergenceError(
                error.message, hint=f"{error.hint}; the last good version is {self._good}"
            ) from error
