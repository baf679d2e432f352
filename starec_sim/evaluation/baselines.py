"""Baselines: contenders that score candidate lists without an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from starec_sim.build import build_recommender
from starec_sim.dataset import ChoiceTruth
from starec_sim.errors import ContractError
from starec_sim.evaluation.contenders import ContenderSpec
from starec_sim.evaluation.rank_range import RankRange
from starec_sim.holdout import HoldOut
from starec_sim.holdout.holdout import Extent
from starec_sim.rng import Streams
from starec_sim.types import LIKED_ABOVE, FloatArray


def rank_baseline(spec: ContenderSpec, holdout: HoldOut) -> RankRange:
    """Return the ranks of the answers by a recommender, at random, in input order, or by an oracle.

    Raises:
        ContractError: A recommender returned scores that cannot be compared.
    """
    if spec.recommender is not None:
        scores = _recommender_scores(spec.recommender, spec.data, holdout)
    elif spec.floor == "random":
        scores = _random_scores(holdout)
    elif spec.floor == "input order":
        scores = np.broadcast_to(
            -np.arange(holdout.candidate_lists.shape[2], dtype=float), holdout.candidate_lists.shape
        )
    else:
        scores = _oracle_scores(holdout)
    return RankRange.of_scores(scores, holdout.candidate_lists, holdout.answers)


def knows_choices(holdout: HoldOut) -> bool:
    """Return whether the dataset is generated and knows how its users choose."""
    return isinstance(holdout.dataset.world, ChoiceTruth)


def _recommender_scores(
    recommender: Mapping[str, Any], extent: Extent, holdout: HoldOut
) -> FloatArray:
    dataset = holdout.dataset
    users, items = len(dataset.users), len(dataset.items)
    model = build_recommender(recommender, users, items, holdout.seed % 2**31)
    model.fit(holdout.training(extent))
    if holdout.protocol.users.mode == "new":
        model.observe(holdout.past(extent))
    draws, candidates = holdout.candidate_lists.shape[1:]
    lists = holdout.candidate_lists.reshape(-1, candidates)
    scores = model.score(np.repeat(holdout.rows, draws), lists)
    if scores.shape != lists.shape or np.isnan(scores).any():
        raise ContractError(
            f"the recommender {recommender['use']} scored lists of shape {lists.shape} with an "
            f"array of shape {scores.shape}, {int(np.isnan(scores).sum())} of it NaN",
            hint="`score` returns a number for each item it is asked about",
        )
    shaped: FloatArray = scores.reshape(holdout.candidate_lists.shape)
    return shaped


def _random_scores(holdout: HoldOut) -> FloatArray:
    streams, (_, draws, candidates) = Streams(holdout.seed), holdout.candidate_lists.shape
    return np.stack(
        [
            streams.stream("random row", user=row).random((draws, candidates))
            for row in holdout.rows.tolist()
        ]
    )


def _oracle_scores(holdout: HoldOut) -> FloatArray:
    """Score items by the true probability that the user chooses and likes them.

    Negatives are drawn uniformly from the items that are not in the log of the user. By Bayes'
    rule, the order of these probabilities is then the order of the probabilities of being the
    answer. This neglects that another answer would have changed the probabilities of the user's
    other choices.
    """
    world = holdout.dataset.world
    assert isinstance(world, ChoiceTruth), "there is no oracle where the choices are not known"
    scores = np.empty(holdout.candidate_lists.shape)
    for row, lists, out in zip(holdout.rows.tolist(), holdout.candidate_lists, scores, strict=True):
        liked = np.rint(world.ratings(row, lists.ravel(), 0)) > LIKED_ABOVE
        chance = np.where(liked, world.appeal(row, lists.ravel(), 0), -np.inf)
        out[:] = chance.reshape(lists.shape)
    return scores
