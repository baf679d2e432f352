"""What a step of stage 2 did, whichever method learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starec_sim.learning.learner import Update


class StageStep(NamedTuple):
    """What a step learned from, and what its updates did."""

    updates: list[Update]
    groups: int
    """Groups looked at, once in each pass."""
    alone: int
    """Groups left out because they have one rollout only."""
    equal: int
    """Groups left out because all their rewards are equal."""
    own: Mapping[str, float] = {}
    """Figures of the method."""
