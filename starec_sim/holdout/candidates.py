"""Candidate lists: the answer of a user among negatives, in random order.

A negative is an item that the user never touched. Every sampler of negatives is here, for
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
"""Popularity-matched negatives are drawn from so many times as many items as are needed: the items
whose popularity is nearest to that of the answer."""


class ShippedNegatives(NamedTuple):
    """What is left of a candidate list that a dataset ships for a user."""

    items: list[int]
    """Items that the user never touched, each once, in shipped order."""
    dropped: int
    """How many other items the list had."""


def shipped_negatives(dataset: Dataset, user_log: UserLog, count: int) -> ShippedNegatives:
    """Return the negatives that a dataset ships for a user.

    Args:
        dataset: Ships candidate lists.
        user_log: The user's log.
        count: How many negatives are needed.

    Raises:
        DataError: The dataset ships no candidate lists, or too short a one for this user.
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
    """Return different items, drawn evenly from those that are not excluded.

    It draws from all items and drops what does not count, so that a draw does not take longer for a
    larger catalogue. At least `count` items must not be excluded.
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

    Every draw is keyed by the user's row, so that a smaller sample of users gets the same lists.

    Args:
        protocol: How many lists of how many candidates, and how negatives are drawn.
        dataset: Its items are the candidates.
        user_logs: Of the evaluated users.
        popularity: Shape (items,): how often each item occurs in the training interactions.
        streams: Of the hold-out.

    Returns:
        Lists of shape (users, draws, candidates) in the order in which they are shown, and how many
        shipped items were dropped.

    Raises:
        DataError: There are too few negatives for a user.
    """
    wanted = protocol.candidates - 1
    lists = np.empty((len(user_logs), protocol.draws, protocol.candidates), np.int64)
    dropped = 0
    for place, user_log in enumerate(user_logs):
        answer = user_log.last_choice
        if protocol.negatives == "shipped":
            shipped = shipped_negatives(dataset, user_log, wanted * protocol.draws)
            pool: IntArray = np.array(shipped.items, np.int64)
            dropped += shipped.dropped
        else:
            pool = _untouched(dataset, user_log, wanted)
        for draw in range(protocol.draws):
            rng = streams.stream("exam negatives", user=user_log.row, call=draw)
            if protocol.negatives == "shipped":
                negatives = pool[draw * wanted : (draw + 1) * wanted]
            elif protocol.negatives == "popularity":
                near = _nearest(pool, popularity, answer, NEAREST * wanted, rng)
                negatives = rng.choice(near, wanted, replace=False)
            else:
                negatives = rng.choice(pool, wanted, replace=False)
            candidates = np.append(negatives, answer)
            streams.stream("exam order", user=user_log.row, call=draw).shuffle(candidates)
            lists[place, draw] = candidates
    return lists, dropped


def _untouched(dataset: Dataset, user_log: UserLog, count: int) -> IntArray:
    """Return all items that the user never touched, at least `count`."""
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
    """Return the items nearest to the answer in popularity; equally near ones in random order."""
    shuffled = rng.permutation(items)
    distance = np.abs(np.log1p(popularity[shuffled]) - np.log1p(popularity[answer]))
    return shuffled[np.argsort(distance, kind="stable")[:count]]
