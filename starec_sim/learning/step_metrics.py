"""What is watched while a policy learns, and when that is reason to stop."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from starec_sim.learning.config import Guards
from starec_sim.learning.grpo import Batch
from starec_sim.learning.learner import DivergenceError, Update
from starec_sim.learning.rows import Rollout
from starec_sim.learning.split import mean

_WATCHED = ("entropy", "kl", "clip_share", "ratio_gap")
_FEWEST = 32
"""Answers below which it says nothing that they are alike."""


def step_figures(
    rollouts: Sequence[Rollout], lessons: Sequence[Batch], updates: Sequence[Update]
) -> dict[str, Any]:
    """Return the figures of one step, as JSON values.

    Args:
        rollouts: What was played.
        lessons: What each update was made from.
        updates: What the updates did.
    """
    groups = sum(lesson.groups for lesson in lessons)
    figures: dict[str, Any] = {
        "reward": {
            node: mean([r.reward for r in rollouts if r.node == node])
            for node in sorted({rollout.node for rollout in rollouts})
        },
        "components": _means(rollouts, "components"),
        "counters": _means(rollouts, "counters"),
        "rollouts": len(rollouts),
        "groups": groups,
        "zero_variance": sum(lesson.equal for lesson in lessons) / groups if groups else 0.0,
        "alone": sum(lesson.alone for lesson in lessons),
        "distinct": distinct(rollouts),
        "sampled_tokens": sum(rollout.tokens for rollout in rollouts),
        "learned_tokens": sum(update.tokens for update in updates),
        "loss": mean([update.loss for update in updates]),
        "gradient": mean([update.gradient for update in updates]),
        "learn_s": sum(update.seconds for update in updates),
    }
    learned = figures["learned_tokens"]
    for name in _WATCHED:
        total = sum(getattr(update, name) * update.tokens for update in updates)
        figures[name] = total / learned if learned else math.nan
    return figures


def _means(rollouts: Sequence[Rollout], what: str) -> dict[str, float]:
    """Return the mean of each named value over the rollouts that have it, `node: name`."""
    values: dict[str, list[float]] = defaultdict(list)
    for rollout in rollouts:
        for name, value in getattr(rollout, what).items():
            values[f"{rollout.node}: {name}"].append(value)
    return {name: mean(found) for name, found in sorted(values.items())}


def distinct(rollouts: Sequence[Rollout]) -> float:
    """Return how many of a node's answers differ: 0 if all are the same, 1 if no two are.

    Of several nodes it is the smaller share.
    """
    shares = [1.0]
    for node in {rollout.node for rollout in rollouts}:
        answers = [rollout.rows[-1].completion for rollout in rollouts if rollout.node == node]
        if len(answers) > 1:
            shares.append((len(Counter(answers)) - 1) / (len(answers) - 1))
    return min(shares)


class Guard:
    """Stops a training that diverges, and names the last version that was good."""

    def __init__(self, settings: Guards) -> None:
        self._settings = settings
        self._idle = 0

    def check(self, figures: dict[str, Any], rollouts: int, good: str) -> None:
        """Look at the figures of a step.

        Args:
            figures: From `step_figures`.
            rollouts: How many there were.
            good: The version that played this step.

        Raises:
            DivergenceError: Says what went wrong.
        """
        settings = self._settings
        hint = f"the last good version is {good}; start from it with a lower learning rate"
        if figures["kl"] > settings.kl:
            raise DivergenceError(
                f"the policy is {figures['kl']:.2f} nats per token away from its anchor, more than "
                f"train.guards.kl = {settings.kl:g}",
                hint=f"{hint}, or a higher train.grpo.objective.kl",
            )
        if rollouts >= _FEWEST and figures["distinct"] < settings.distinct:
            raise DivergenceError(
                f"the policy gives the same answer to everything: {figures['distinct']:.1%} of "
                f"{rollouts} answers differ, fewer than train.guards.distinct = "
                f"{settings.distinct:g}",
                hint=f"{hint}, or a higher temperature",
            )
        self._idle = self._idle + 1 if figures["learned_tokens"] == 0 else 0
        if self._idle >= settings.patience:
            if not rollouts:
                raise DivergenceError(
                    f"for {self._idle} steps there was no answer to learn from",
                    hint="were all calls refused, or nobody active? `starec show` has the lives; a "
                    "summary is rewarded by the next ranking, so it takes two rounds of a life",
                )
            remedy = f"{hint}; add a denser reward (ndcg), or a higher temperature"
            malformed = [
                figures["counters"].get(f"{node}: malformed") for node in figures["reward"]
            ]
            if malformed and set(malformed) == {1}:
                remedy = "no answer had the form; let the policy imitate a teacher first: train.sft"
            raise DivergenceError(
                f"for {self._idle} steps all rewards within each group were equal, so there was "
                "nothing to learn",
                hint=remedy,
            )
