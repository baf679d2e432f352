"""Draw candidate lists: the answer of a user and negatives, in random order.

A negative is an item that is not in the log of the user. All samplers of negatives are here, for
hold-outs and for environments that replay logs.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

import numpy as np

from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.holdout.protocol import EvaluationProtocol
from starec_sim.holdout.user_logs import UserLog
from starec_sim.rng import Streams
from starec_sim.types import IntArray

NEAREST = 4
"""With `negatives: popularity`, this many times the needed negatives are selected, those whose
popularity is nearest to that of the answer. The negatives are drawn from them."""


class ShippedNegatives(NamedTuple):
    """The usable part of a candidate list that a dataset ships for a user."""

    items: list[int]
    """Items that are not in the log of the user, each once, in shipped order."""
    dropped: int
    """Number of other items in the list."""


def shipped_negatives(dataset: Dataset, user_log: UserLog, count: int) -> ShippedNegatives:
    """Return the negatives that a dataset ships for a user.

    Args:
        dataset: A dataset that ships candidate lists.
        user_log: The user's log.
        count: The least number of negatives.

    Raises:
        DataError: The dataset ships no candidate lists, or the list of this user is too short.
    """
    if not dataset.candidates:
        raise DataError(
            f"the dataset {dataset.name} ships no candidate lists",
            hint="draw negatives with `negatives: uniform`; in an evaluation with a protocol that "
            "says so, e.g. --protocol starec-20",
        )
    shipped = list(dict.fromkeys(dataset.candidates.get(user_log.row, ())))
    touched = set(user_log.items.tolist())
    kept = [item for item in shipped if item not in touched]
    if len(kept) < count:
        raise DataError(
            f"the shipped list of user {dataset.users[user_log.row].id} holds {len(kept)} items "
            f"that she never touched, not the {count} that are needed",
            hint="lower `candidates` (or `draws`), in an evaluation in a protocol of your own",
        )
    return ShippedNegatives(kept, len(shipped) - len(kept))


def uniform_negatives(
    rng: np.random.Generator, n_items: int, excluded: Set[int], count: int
) -> list[int]:
    """Return different items, drawn uniformly from those that are not excluded.

    It draws from all items and drops the excluded ones, so the time does not grow with the
    catalogue.

    Args:
        rng: The source of randomness.
        n_items: Number of items in the catalogue.
        excluded: Items that are not drawn.
        count: Number of items to draw; at least so many must not be excluded.
    """
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        for item in rng.integers(n_items, size=2 * (count + 1)).tolist():
            if item not in excluded and len(drawn) < count:
                drawn[item] = None
    return list(drawn)


def draw_candidates(
    protocol: EvaluationProtocol,
    dataset: Dataset,
    user_logs: Sequence[UserLog],
    popularity: IntArray,
    streams: Streams,
) -> tuple[IntArray, int]:
    """Draw the candidate lists of a hold-out. The last choice of each user log is the answer.

    Every draw is keyed by the user's row, so a user gets the same lists in a smaller sample.

    Args:
        protocol: The number and length of the lists, and the sampler of negatives.
        dataset: The dataset of the items.
        user_logs: The logs of the evaluated users.
        popularity: Shape (items,): how often each item occurs in the training interactions.
        streams: The random streams of the hold-out.

    Returns:
        Lists of shape (users, draws, candidates) in shown order, and the number of shipped items
        that were dropped.

    Raises:
        DataError: There are too few negatives for a user.
    """
    needed = protocol.candidates - 1
    lists = np.empty((len(user_logs), protocol.draws, protocol.candidates), np.int64)
    dropped = 0
    for place, user_log in enumerate(user_logs):
        answer = user_log.last_choice
        if protocol.negatives == "shipped":
            shipped = shipped_negatives(dataset, user_log, needed * protocol.draws)
            pool: IntArray = np.array(shipped.items, np.int64)
            dropped += shipped.dropped
        else:
            pool = _untouched(dataset, user_log, needed)
        for draw in range(protocol.draws):
            rng = streams.stream("exam negatives", user=user_log.row, call=draw)
            if protocol.negatives == "shipped":
                negatives = pool[draw * needed : (draw + 1) * needed]
            elif protocol.negatives == "popularity":
                near = _nearest(pool, popularity, answer, NEAREST * needed, rng)
                negatives = rng.choice(near, needed, replace=False)
            else:
                negatives = rng.choice(pool, needed, replace=False)
            candidates = np.append(negatives, answer)
            streams.stream("exam order", user=user_log.row, call=draw).shuffle(candidates)
            lists[place, draw] = candidates
    return lists, dropped


def _untouched(dataset: Dataset, user_log: UserLog, count: int) -> IntArray:
    """Return all items that are not in the log of the user.

    Raises:
        DataError: They are fewer than `count`.
    """
    items: IntArray = np.setdiff1d(np.arange(len(dataset.items)), user_log.items)
    if len(items) < count:
        raise DataError(
            f"user {dataset.users[user_log.row].id} has touched "
            f"{len(set(user_log.items.tolist()))} of {len(dataset.items)} items, which leaves too "
            f"few for {count} negatives",
            hint="lower `candidates` in a protocol of your own",
        )
    return items


def _nearest(
    items: IntArray, popularity: IntArray, answer: int, count: int, rng: np.random.Generator
) -> IntArray:
    """Return the `count` items nearest to the answer in popularity; ties are in random order."""
    shuffled = rng.permutation(items)
    distance = np.abs(np.log1p(popularity[shuffled]) - np.log1p(popularity[answer]))
    return shuffled[np.argsort(distance, kind="stable")[:count]]
