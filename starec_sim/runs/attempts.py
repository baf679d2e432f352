"""Numbers of attempts (`CallKey.attempt`) in a record.

0 is the question of a node, and 1 its repair. A training asks more under the same user and step;
nobody acts on those answers. Each attempt has its own seed and its own place in the record.
"""

from __future__ import annotations

from collections.abc import Iterable

from starec_sim.types import Turn

BRANCH, RETHINK, FOLLOW_UP, EPISODE = 100, 200, 1_000, 10_000
"""First attempts of the other answers of a branch, of the further answers of a teacher (in a trial
of its own), of follow-up rankings, and of the other visits of an episode."""

ATTEMPTS = (
    "0 for the question, 1 for the repair; in a training 101 and up for the other answers of the "
    "group, 1000 and up for follow-up rankings, 10000 and up for the other visits of an episode"
)
"""What the column `attempt` means, for readers of tables."""


def own_turns(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return the calls that a visit was played with, without those that a training adds."""
    return tuple(turn for turn in turns if turn.attempt < BRANCH)


def attempt_text(attempt: int) -> str:
    """Return what an attempt is; empty for the question of a node.

    >>> attempt_text(0), attempt_text(1), attempt_text(103)
    ('', 'repair', 'another answer')
    """
    if attempt >= EPISODE:
        return "another visit of the group"
    if attempt >= FOLLOW_UP:
        return "a follow-up ranking"
    if attempt >= BRANCH:
        return "another answer"
    return "repair" if attempt else ""
