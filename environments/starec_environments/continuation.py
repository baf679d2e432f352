"""What the users of a generated dataset choose after their logs have ended.

A log is written with the tastes of one time. Whether a memory follows a user whose tastes change
can be measured only if she goes on choosing. Only a generated dataset knows what she would choose.
The choices are drawn before the first round, so they are a log like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from starec_sim.dataset import ChoiceTruth, Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.holdout.user_logs import UserLog
from starec_sim.rng import Streams
from starec_sim.types import LIKED_ABOVE, IntArray


class Continuation(NamedTuple):
    """A log, and what its users chose after it ended."""

    log: Interactions
    picks: IntArray
    """Shape (users, rounds): how many items each user picked in each round. She liked the last of
    them. 0 from the round on in which the catalogue holds no such item any more."""

    def choices(self, user_log: UserLog) -> tuple[int, ...]:
        """Return the positions of the last pick of each round in the log of a user."""
        counts = self.picks[user_log.row]
        before = len(user_log.items) - int(counts.sum())
        return tuple((before + np.cumsum(counts) - 1).tolist())


def continue_log(dataset: Dataset, rounds: int, least: int, streams: Streams) -> Continuation:
    """Draw what every user picks after her log has ended, no item twice.

    Picks are drawn as those of the log were, by the tastes of their round.

    Args:
        dataset: Its world must know what users choose.
        rounds: How many rounds follow.
        least: Picks of a round, at least. The round ends with the first liked one from there on.
        streams: Of the environment.

    Raises:
        DataError: The world does not know what users choose.
    """
    world = dataset.world
    if not isinstance(world, ChoiceTruth):
        raise DataError(
            f"nothing says what the users of {dataset.name} would choose after their log ends",
            hint="leave environment.min_picks empty to replay the log, or use --data synthetic",
        )
    everything = np.arange(len(dataset.items))
    untouched = np.ones((len(dataset.users), len(everything)), bool)
    untouched[dataset.log.users, dataset.log.items] = False
    picks: IntArray = np.zeros((len(dataset.users), rounds), np.int64)
    clock = int(dataset.log.times.max(initial=0)) + 1
    logs = [dataset.log]
    for user, left in enumerate(untouched):
        for round in range(rounds):
            rng = streams.stream("onward", user=user, round=round)
            keys = world.appeal(user, everything, round) + rng.gumbel(size=len(everything))
            order = np.argsort(-keys)
            order = order[left[order]]
            stars = np.rint(world.ratings(user, order, round))
            liked = np.flatnonzero(stars[least - 1 :] > LIKED_ABOVE)
            if not len(liked):
                break
            count = int(liked[0]) + least
            picks[user, round] = count
            left[order[:count]] = False
            times = np.full(count, clock + round)
            logs.append(Interactions(np.full(count, user), order[:count], stars[:count], times))
    return Continuation(Interactions.concatenate(*logs), picks)
