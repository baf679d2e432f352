"""Lives that go on: what the people of a generated world choose after their log has ended.

A log was written with one day's tastes. Whether a memory follows somebody whose tastes change can
only be asked while she goes on choosing, and what she would choose only a generated world knows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from starec_sim.dataset import ChoosingWorld, Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.rng import Streams
from starec_sim.types import LIKED_ABOVE, IntArray


class Onward(NamedTuple):
    """A log, and what followed."""

    log: Interactions
    picks: IntArray
    """Shape (users, rounds): how many items each user picked in each round, the last of them one
    that she liked. 0 from the round on in which the catalogue held no such item any more."""


def live_on(dataset: Dataset, rounds: int, lived: int, streams: Streams) -> Onward:
    """Let everybody go on choosing from where the log ends, nothing twice.

    Picks are drawn as the log's were, by the tastes of their round.

    Args:
        dataset: From a world that knows what people choose.
        rounds: How long life goes on.
        lived: Picks of a round, at least; it ends with the first like from there on.
        streams: Of the environment.

    Raises:
        DataError: Nobody knows what these users would choose.
    """
    world = dataset.world
    if not isinstance(world, ChoosingWorld):
        raise DataError(
            f"nothing says what the users of {dataset.name} would choose after their log ends",
            hint="leave environment.lived empty to replay the log, or use --data synthetic",
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
            liked = np.flatnonzero(stars[lived - 1 :] > LIKED_ABOVE)
            if not len(liked):
                break
            count = int(liked[0]) + lived
            picks[user, round] = count
            left[order[:count]] = False
            times = np.full(count, clock + round)
            logs.append(Interactions(np.full(count, user), order[:count], stars[:count], times))
    return Onward(Interactions.concatenate(*logs), picks)
