"""The metrics of a step of stage 2, and the limits at which a training stops."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from starec_sim.learning.config import Guards
from starec_sim.learning.learner import DivergenceError
from starec_sim.learning.rows import Rollout
from starec_sim.learning.stage_step import StageStep

_BY_TOKEN = ("entropy", "kl", "clip_share", "ratio_gap")
"""Means over the ids learned from."""
_FEWEST = 32
"""With fewer answers, equal ones are no sign of collapse."""


def _mean(values: Sequence[float]) -> float:
    """Return the mean; NaN if there are no values."""
    return float(np.mean(values)) if len(values) else math.nan


def step_metrics(
    stage: str, step: int, rollouts: Sequence[Rollout], learned: StageStep
) -> dict[str, Any]:
    """Return the metrics of one step, as JSON values.

    Args:
        stage: `grpo` or `dpo`.
        step: The step, from 0.
        rollouts: Of its round.
        learned: What was learned from them.
    """
    updates = learned.updates
    metrics: dict[str, Any] = {
        "stage": stage,
        "step": step + 1,
        # The last rollout: summaries, which come first, were written by the version before.
        "version": rollouts[-1].version if rollouts else None,
        "reward": {
            node: _mean([r.reward for r in rollouts if r.node == node])
            for node in sorted({rollout.node for rollout in rollouts})
        },
        "components": _means(rollouts, "components"),
        "counters": _means(rollouts, "counters"),
        "rollouts": len(rollouts),
        "groups": learned.groups,
        "zero_variance": learned.equal / learned.groups if learned.groups else 0.0,
        "alone": learned.alone,
        "distinct": distinct(rollouts),
        "sampled_tokens": sum(rollout.tokens for rollout in rollouts),
        "learned_tokens": sum(update.tokens for update in updates),
        "loss": _mean([update.loss for update in updates]),
        "gradient": _mean([update.gradient for update in updates]),
        "learn_s": sum(update.seconds for update in updates),
        **learned.own,
    }
    tokens = metrics["learned_tokens"]
    for name in _BY_TOKEN:
        total = sum(getattr(update, name) * update.tokens for update in updates)
        metrics[name] = total / tokens if tokens else math.nan
    return metrics


def _means(rollouts: Sequence[Rollout], what: str) -> dict[str, float]:
    """Return the mean of each named value over the rollouts that have it, `node: name`."""
    values: dict[str, list[float]] = defaultdict(list)
    for rollout in rollouts:
        for name, value in getattr(rollout, what).items():
            values[f"{rollout.node}: {name}"].append(value)
    return {name: _mean(listed) for name, listed in sorted(values.items())}


def distinct(rollouts: Sequence[Rollout]) -> float:
    """Return the share of a node's answers that differ: 0 if all are equal, 1 if no two are.

    With several nodes, return the smallest of their shares.
    """
    shares = [1.0]
    for node in {rollout.node for rollout in rollouts}:
        answers = [rollout.rows[-1].completion for rollout in rollouts if rollout.node == node]
        if len(answers) > 1:
            shares.append((len(Counter(answers)) - 1) / (len(answers) - 1))
    return min(shares)


class Guard:
    """Stops a training that diverges, and names the last version that was good.

    Args:
        settings: The limits.
        good: The version that plays the first step.
        strength: The setting that holds the policy to its reference.
    """

    def __init__(self, settings: Guards, good: Path, strength: str) -> None:
        self._settings = settings
        self._strength = strength
        self._good = good
        self._idle = 0

    def passed(self, version: Path) -> None:
        """Note that the step that this version played went well."""
        self._good = version

    def name_version(self, error: DivergenceError) -> DivergenceError:
        """Return the error with the last good version in its hint."""
        hint = f"{error.hint}; the last good version is {self._good}"
        return DivergenceError(error.message, hint=hint)

    def check(self, metrics: Mapping[str, Any], rollouts: int) -> None:
        """Compare the metrics of a step with the limits.

        Args:
            metrics: From `step_metrics`.
            rollouts: How many there were.

        Raises:
            DivergenceError: A limit is passed.
        """
        settings = self._settings
        hint = "start from a good version with a lower learning rate"
        if metrics["kl"] > settings.kl:
            raise DivergenceError(
                f"the policy is {metrics['kl']:.2f} nats per token away from the reference policy, "
                f"more than train.guards.kl = {settings.kl:g}",
                hint=f"{hint}, or a higher {self._strength}",
            )
        if rollouts >= _FEWEST and metrics["distinct"] < settings.distinct:
            raise DivergenceError(
                f"the policy gives the same answer to everything: {metrics['distinct']:.1%} of "
                f"{rollouts} answers differ, fewer than train.guards.distinct = "
                f"{settings.distinct:g}",
                hint=f"{hint}, or a higher temperature",
            )
        self._idle = self._idle + 1 if metrics["learned_tokens"] == 0 else 0
        if self._idle >= settings.patience:
            raise self._nothing_learned(metrics, rollouts, hint)

    def _nothing_learned(
        self, metrics: Mapping[str, Any], rollouts: int, hint: str
    ) -> DivergenceError:
        if not rollouts:
            return DivergenceError(
                f"for {self._idle} steps there was no answer to learn from",
                hint="were all calls refused, or no user active? `starec show` has the visits; a "
                "summary is rewarded by the next ranking, so it takes two rounds of an episode",
            )
        remedy = f"{hint}; add a denser reward (ndcg), or a higher temperature"
        malformed = [metrics["counters"].get(f"{node}: malformed") for node in metrics["reward"]]
        if malformed and set(malformed) == {1}:
            remedy = "no answer had the form; let the policy imitate a teacher first: train.sft"
        return DivergenceError(
            f"for {self._idle} steps all rewards within each group were equal, so there was "
            "nothing to learn",
            hint=remedy,
        )
