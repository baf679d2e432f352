"""Rows that need no agent: they score the very lists that agents are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from starec_sim import plugins
from starec_sim.dataset import ChoosingWorld
from starec_sim.errors import ContractError
from starec_sim.evaluation.contenders import ContenderSpec
from starec_sim.evaluation.rank_range import RankRange
from starec_sim.holdout import HoldOut
from starec_sim.holdout.holdout import Extent
from starec_sim.rng import Streams
from starec_sim.types import LIKED_ABOVE, FloatArray


def rank_baseline(spec: ContenderSpec, exam: HoldOut) -> RankRange:
    """Return where a floor or a recommender places the answers.

    Raises:
        ContractError: A recommender returned scores that cannot be compared.
    """
    if spec.recommender is not None:
        scores = _recommended(spec.recommender, spec.data, exam)
    elif spec.floor == "random":
        scores = _random(exam)
    elif spec.floor == "input order":
        scores = np.broadcast_to(
            -np.arange(exam.candidate_lists.shape[2], dtype=float), exam.candidate_lists.shape
        )
    else:
        scores = _oracle(exam)
    return RankRange.of_scores(scores, exam.candidate_lists, exam.answers)


def knows_choices(exam: HoldOut) -> bool:
    """Say whether the dataset's world can tell how its users choose."""
    return isinstance(exam.dataset.world, ChoosingWorld)


def _recommended(recommender: Mapping[str, Any], extent: Extent, exam: HoldOut) -> FloatArray:
    found, config = plugins.configure("recommenders", recommender, "recommender")
    dataset = exam.dataset
    model = found(
        config, n_users=len(dataset.users), n_items=len(dataset.items), seed=exam.seed % 2**31
    )
    model.fit(exam.training(extent))
    if exam.protocol.users.mode == "new":
        model.observe(exam.past(extent))
    draws, candidates = exam.candidate_lists.shape[1:]
    asked = exam.candidate_lists.reshape(-1, candidates)
    scores = model.score(np.repeat(exam.rows, draws), asked)
    if scores.shape != asked.shape or np.isnan(scores).any():
        raise ContractError(
            f"the recommender {recommender['use']} scored lists of shape {asked.shape} with an "
            f"array of shape {scores.shape}, {int(np.isnan(scores).sum())} of it NaN",
            hint="`score` returns a number for each item it is asked about",
        )
    shaped: FloatArray = scores.reshape(exam.candidate_lists.shape)
    return shaped


def _random(exam: HoldOut) -> FloatArray:
    streams, (_, draws, candidates) = Streams(exam.seed), exam.candidate_lists.shape
    return np.stack(
        [
            streams.stream("random row", user=row).random((draws, candidates))
            for row in exam.rows.tolist()
        ]
    )


def _oracle(exam: HoldOut) -> FloatArray:
    """Score items by the chance that the user picks and likes them, as the world knows it.

    Negatives are drawn evenly from what she never touched, so by Bayes' rule the order of those
    chances is the order of the chances to be the answer; what is neglected is that her other
    choices would have had a little more or less room had she chosen another item here.
    """
    world = exam.dataset.world
    assert isinstance(world, ChoosingWorld), "the row is left out where nobody knows the choices"
    scores = np.empty(exam.candidate_lists.shape)
    for row, lists, out in zip(exam.rows.tolist(), exam.candidate_lists, scores, strict=True):
        liked = np.rint(world.ratings(row, lists.ravel(), 0)) > LIKED_ABOVE
        chance = np.where(liked, world.appeal(row, lists.ravel(), 0), -np.inf)
        out[:] = chance.reshape(lists.shape)
    return scores
