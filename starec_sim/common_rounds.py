"""Say which rounds means are of, where arms or seeds have other numbers of rounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from starec_sim.runs.reader import RecordedTrial

_MOST_ARMS = 5
"""Arms whose number of rounds is said."""


class ArmRounds(NamedTuple):
    """How far an arm is."""

    arm: str
    rounds: tuple[int, ...]
    """Rounds that are committed, of each of its trials that has begun."""


def arm_rounds(trials: Iterable[RecordedTrial]) -> tuple[ArmRounds, ...]:
    """Return how far each arm is."""
    played: dict[str, list[int]] = {}
    for trial in trials:
        played.setdefault(trial.arm, []).append(trial.rounds)
    return tuple(ArmRounds(arm, tuple(rounds)) for arm, rounds in played.items())


def name_rounds(rounds: int, last: int) -> str:
    """Name the last of some rounds, which count from 1.

    >>> name_rounds(30, 5), name_rounds(3, 1)
    ('rounds 26 to 30', 'round 3')
    """
    return f"round {rounds}" if last == 1 else f"rounds {rounds - last + 1} to {rounds}"


def name_common_rounds(rounds: int, last: int, played: Sequence[ArmRounds]) -> str:
    """Name the last of the rounds that all arms have, and what each has where that is more.

    >>> name_common_rounds(3, 3, (ArmRounds("loop", (30, 30)), ArmRounds("frozen", (3,))))
    'rounds 1 to 3, which all arms have; loop has 30, frozen 3'
    """
    named = name_rounds(rounds, last)
    if all(each == rounds for arm in played for each in arm.rounds):
        return named
    first, *others = played
    have = [f"{first.arm} has {_least_to_most(first.rounds)}"]
    have += [f"{each.arm} {_least_to_most(each.rounds)}" for each in others]
    if len(have) > _MOST_ARMS:
        have[_MOST_ARMS:] = [f"and {len(have) - _MOST_ARMS} more arms"]
    by_seed = any(len(set(each.rounds)) > 1 for each in played)
    who = " and ".join(["arms"] * (len(played) > 1) + ["seeds"] * by_seed)
    return f"{named}, which all {who} have; {', '.join(have)}"


def _least_to_most(rounds: Sequence[int]) -> str:
    least, most = min(rounds), max(rounds)
    return str(least) if least == most else f"{least} to {most}"
