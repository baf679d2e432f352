"""Pairs of answers to one question, of which one earned more: what DPO learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field

from starec_sim.learning.advantages import SMALLEST_DEVIATION
from starec_sim.learning.rows import Rollout
from starec_sim.settings import Settings


class PairSettings(Settings):
    """How answers of a group are paired."""

    pairs: int = Field(default=1, ge=1)
    """Pairs of a group: its best answer with its worst, the second best with the second worst."""


class Pair(NamedTuple):
    """Two answers to one question."""

    chosen: Rollout
    rejected: Rollout


def pairs_of(group: Sequence[Rollout], most: int) -> list[Pair]:
    """Return the k-th best answer with the k-th worst, for k from 1, where their rewards differ.

    Args:
        group: Answers to one question.
        most: The greatest number of pairs.
    """
    ranked = sorted(group, key=lambda rollout: rollout.reward, reverse=True)
    pairs: list[Pair] = []
    for best, worst in zip(ranked[: len(ranked) // 2], reversed(ranked), strict=False):
        if best.reward - worst.reward > SMALLEST_DEVIATION and len(pairs) < most:
            pairs.append(Pair(best, worst))
    return pairs
